"""Objects are those of a bucket (S3). What must be read in place is copied to this machine for so long."""

import errno
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gateway.disk import nameless
from gateway.objects.copies import Copies
from gateway.objects.port import Objects, StoreAwayError

_BLOCK_BYTES: Final = 1 << 16
_REMOVED_AT_ONCE: Final = 1000  # the API's limit
_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=50,  # the threads that serve requests are 40
    tcp_keepalive=True,
    # Checksums behind the body, the default since 2025, are kept as part of the object by some stores that are not AWS.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_NOT_THERE: Final = ("404", "NoSuchKey")


class Bucket(Objects):
    """Objects below ``prefix`` of a bucket; copies of them below ``folder``, ``copies_max_bytes`` at most.

    Who we are is found by the library: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, the machine's role.
    ``endpoint_url`` names a store that is not AWS.
    """

    def __init__(
        self, bucket: str, *, prefix: str, endpoint_url: str | None, folder: Path, copies_max_bytes: int
    ) -> None:
        self._bucket, self._prefix, self._folder = bucket, f"{prefix.strip('/')}/".lstrip("/"), folder
        self._copies = Copies(folder, copies_max_bytes)
        with _reaching():
            self._s3: Any = boto3.Session().client("s3", endpoint_url=endpoint_url, config=_CONFIG)

    @contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        with nameless(self._folder) as draft:
            yield draft
            # In one piece, up to 5 GB: the parts of an upload that a kill cut short would stay, unseen.
            with draft.open("rb") as content, _reaching():
                self._s3.put_object(**self._at(name), Body=content)

    def blocks(self, name: str, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        last = "" if length is None else first + length - 1
        part = {} if (first, length) == (0, None) else {"Range": f"bytes={first}-{last}"}
        with _reaching():
            body = self._s3.get_object(**self._at(name), **part)["Body"]
        return _blocks(body)

    @contextmanager
    def copy(self, name: str) -> Iterator[Path]:
        with self._copies.held(name, partial(self._fetch, name)) as path:
            yield path

    def has(self, name: str) -> bool:
        try:
            with _reaching():
                self._s3.head_object(**self._at(name))
        except FileNotFoundError:
            return False
        return True

    def move(self, name: str, to: str) -> None:
        self._duplicate(name, to)
        self.remove([name])

    def under(self, folder: str) -> Iterator[tuple[str, float]]:
        top = f"{self._prefix}{folder}/"
        for page in self._pages(top):
            for entry in page.get("Contents", []):
                yield entry["Key"].removeprefix(top), entry["LastModified"].timestamp()

    def folders(self, folder: str) -> list[str]:
        top = f"{self._prefix}{folder}/"
        pages = self._pages(top, Delimiter="/")
        return [each["Prefix"].removeprefix(top)[:-1] for page in pages for each in page.get("CommonPrefixes", [])]

    def changed_at(self, folder: str) -> float:
        return max((at for _, at in self.under(folder)), default=0.0)

    def remove(self, names: Iterable[str]) -> None:
        left = iter(names)
        while some := list(islice(left, _REMOVED_AT_ONCE)):
            self._copies.drop(set(some).__contains__)
            listed = {"Objects": [{"Key": f"{self._prefix}{name}"} for name in some], "Quiet": True}
            with _reaching():
                answer = self._s3.delete_objects(Bucket=self._bucket, Delete=listed)
            for error in answer.get("Errors", []):
                if error["Code"] not in _NOT_THERE:
                    raise StoreAwayError(f"not erased: {error['Code']}")

    def remove_folder(self, folder: str, but: Container[str] = ()) -> None:
        self.remove(f"{folder}/{name}" for name, _ in self.under(folder) if name not in but)

    def move_folder(self, folder: str, to: str) -> bool:
        names = [name for name, _ in self.under(folder)]
        for name in names:
            with suppress(FileNotFoundError):  # a worker may still be clearing away what its job leaves
                self._duplicate(f"{folder}/{name}", f"{to}/{name}")
        self.remove(f"{folder}/{name}" for name in names)
        return bool(names)

    def let_go(self, unused_s: float) -> None:
        self._copies.let_go(unused_s)

    def ping(self) -> None:
        try:
            with _reaching():
                self._s3.head_bucket(Bucket=self._bucket)
        except FileNotFoundError:
            raise StoreAwayError("NoSuchBucket") from None

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}

    def _duplicate(self, name: str, to: str) -> None:
        with _reaching():
            self._s3.copy_object(**self._at(to), CopySource=self._at(name))

    def _fetch(self, name: str, target: IO[bytes]) -> None:
        for block in self.blocks(name):
            target.write(block)

    def _pages(self, top: str, **options: str) -> Iterator[dict[str, Any]]:
        pages = iter(self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=top, **options))
        while True:
            with _reaching():
                page = next(pages, None)
            if page is None:
                return
            yield page


def _blocks(body: Any) -> Iterator[bytes]:
    with _reaching(), body:
        yield from body.iter_chunks(_BLOCK_BYTES)


@contextmanager
def _reaching() -> Iterator[None]:
    """Errors of the library as those of a disk."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _NOT_THERE:
            raise FileNotFoundError(errno.ENOENT, "there is no such object") from None
        raise StoreAwayError(code) from error
    except BotoCoreError as error:
        raise StoreAwayError(type(error).__name__) from error
