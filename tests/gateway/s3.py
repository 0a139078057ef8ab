"""An S3 server in this process: moto, by HTTP, with one bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.objects.bucket import Bucket
from gateway.processes import free_ports

BUCKET = "raconteur-test"


@dataclass
class S3:
    """Stopped and started again, it still has what it had."""

    port: int
    _server: ThreadedMotoServer | None = field(default=None)
    _stores: list[Bucket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """From now on nobody listens."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.url)

    def objects(self, folder: Path, prefix: str = "", bucket: str = BUCKET, copies_max_bytes: int = 1 << 20) -> Bucket:
        """The bucket as one machine sees it, whose disk is ``folder``."""
        store = Bucket(
            bucket, prefix=prefix, endpoint_url=self.url, folder=folder / "copies", copies_max_bytes=copies_max_bytes
        )
        self._stores.append(store)
        return store

    def settle(self) -> None:
        """It runs, and no store holds a copy any more."""
        for store in self._stores:
            store.let_go(0)
        self._stores.clear()
        if self._server is None:
            self.start()

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Everything in the bucket: (name, content)."""
        client = self.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page.get("Contents", []):
                try:
                    yield entry["Key"], client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                except client.exceptions.NoSuchKey:  # just erased
                    continue


@contextmanager
def serve_s3() -> Iterator[S3]:
    """With a key that the library finds in the environment, also that of a worker."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3 = S3(free_ports(1)[0])
        s3.start()
        s3.client().create_bucket(Bucket=BUCKET)
        yield s3
        s3.stop()
