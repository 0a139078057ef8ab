"""Files and work in progress, wherever they are kept.

``files/{id}`` is a stored file; ``jobs/{id}/`` is what a running job has finished so far.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Final

from gateway.jobs.records import FileRecord, new_id
from gateway.jobs.workspace import ASKED, Workspace
from gateway.media import HEAD_BYTES, sniff
from gateway.objects.folder import Folder
from gateway.objects.port import Objects
from gateway.settings import GatewaySettings
from services.common.errors import ProblemError

_BLOCK_BYTES: Final = 1 << 20
_ORPHAN_AGE_S: Final = 3600.0
"""A file without a row may be an upload that is just arriving; after this it is one whose process died."""

_ARRIVING_S: Final = 5.0
"""A folder without a job may be that of a job that is just being accepted."""

_FILES: Final = "files"
_JOBS: Final = "jobs"


@contextmanager
def not_erased(param: str) -> Iterator[None]:
    """Within it, a file that is gone is ``not_found``: erased since its row was read. ``param`` names the argument."""
    try:
        yield
    except FileNotFoundError:
        raise ProblemError("not_found", f"{param}: the file was erased", param=param) from None


class Storage:
    """Files and workspaces in a store. Calls may take as long as a network does, and raise what ``Objects`` raise."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Storage":
        """In the bucket that the settings name, or in their data folder."""
        if settings.s3_bucket is None:
            return cls(Folder(settings.data_dir))
        from gateway.objects.bucket import Bucket  # noqa: PLC0415 - of the extra "s3"

        return cls(
            Bucket(
                settings.s3_bucket,
                prefix=settings.s3_prefix,
                endpoint_url=settings.s3_endpoint_url,
                folder=settings.data_dir / "copies",
                copies_max_bytes=settings.s3_copies_max_bytes,
            )
        )

    # --- files, by ids that must come from the job store -------------------------------------------------------------

    def has(self, file_id: str) -> bool:
        return self._objects.has(_file(file_id))

    def copy(self, file_id: str) -> AbstractContextManager[Path]:
        """The file to be read in place, within the context. Raises FileNotFoundError."""
        return self._objects.copy(_file(file_id))

    def read(self, file_id: str) -> bytes:
        """Raises FileNotFoundError."""
        return self._objects.read(_file(file_id))

    def blocks(self, file_id: str, first: int, length: int) -> Iterator[bytes]:
        """``length`` bytes from byte ``first`` on. Raises FileNotFoundError at once."""
        return self._objects.blocks(_file(file_id), first, length)

    def receive(self, stream: IO[bytes], name: str, param: str) -> FileRecord:
        """Store an upload and tell what it is by its content. Raises ``unsupported_media`` and keeps nothing then."""
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        media_type = sniff(head)
        if media_type is None:
            fault = "is empty" if not head else "is no picture, sound or video (told by its first bytes)"
            raise ProblemError("unsupported_media", f"{param}: the file {fault}", param=param)
        file_id = new_id()
        digest, size = hashlib.sha256(), 0
        with self._objects.draft(_file(file_id)) as draft, draft.open("wb") as target:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
                size += target.write(block)
        return FileRecord(file_id, _plain_name(name), media_type, size, digest.hexdigest(), time.time())

    def adopt(self, job_id: str, made: str, name: str, media_type: str) -> FileRecord:
        """Move what a finished job has ``made``, by its name in the workspace, among the stored files."""
        source, file_id = f"{_workspace(job_id)}/{made}", new_id()
        digest, size = hashlib.sha256(), 0
        for block in self._objects.blocks(source):
            digest.update(block)
            size += len(block)
        self._objects.move(source, _file(file_id))
        return FileRecord(file_id, name, media_type, size, digest.hexdigest(), time.time(), job_id=job_id)

    def remove(self, file_ids: Iterable[str]) -> None:
        self._objects.remove(map(_file, file_ids))

    def old_files(self) -> Iterator[str]:
        """Ids (or names of abandoned drafts) of files that are older than an hour."""
        limit = time.time() - _ORPHAN_AGE_S
        return (name for name, written_at in self._objects.under(_FILES) if written_at < limit)

    # --- workspaces --------------------------------------------------------------------------------------------------

    def workspace(self, job_id: str) -> Workspace:
        """What a job has finished."""
        return Workspace(self._objects, _workspace(job_id))

    def remove_workspace(self, job_id: str) -> None:
        self._objects.remove_folder(_workspace(job_id))

    def strip_workspace(self, job_id: str) -> None:
        """Remove all of it but what the job was ``ASKED``."""
        self._objects.remove_folder(_workspace(job_id), but=ASKED)

    def hand_on_workspace(self, job_id: str, new_job_id: str) -> bool:
        """Give what a job was ``ASKED`` to another job. False where it is not there; of two at once one gets it."""
        moved = self._objects.move_folder(_workspace(job_id), _workspace(new_job_id))
        self.strip_workspace(new_job_id)  # half of a stage may have come along, which its worker was clearing away
        return moved

    def workspaces(self) -> list[str]:
        """Ids of the jobs that have one."""
        return self._objects.folders(_JOBS)

    def is_arriving(self, job_id: str) -> bool:
        """Was something added to this workspace within the last seconds?"""
        return self._objects.changed_at(_workspace(job_id)) > time.time() - _ARRIVING_S

    # --- the store itself --------------------------------------------------------------------------------------------

    def let_go(self, unused_s: float) -> None:
        """Erase what this process has copied to read it, and has not read for so many seconds."""
        self._objects.let_go(unused_s)

    def ping(self) -> None:
        """Raises OSError where the store cannot be used."""
        self._objects.ping()


def _file(file_id: str) -> str:
    return f"{_FILES}/{file_id}"


def _workspace(job_id: str) -> str:
    return f"{_JOBS}/{job_id}"


def _plain_name(name: str) -> str:
    """The last part of an uploaded file's name without control characters, at most 120 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:120] or "file"
