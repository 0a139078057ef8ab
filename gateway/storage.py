"""The local folder of files and of work in progress.

``files/{id}`` is a stored file; ``jobs/{id}/`` is what a running job has finished so far. A file is written beside its
place and moved there whole, so that no reader sees half of one.
"""

import contextlib
import errno
import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import IO, Final

from gateway.jobs.records import FileRecord, new_id
from gateway.media import HEAD_BYTES, sniff
from services.common.errors import ProblemError

_BLOCK_BYTES: Final = 1 << 20
_ORPHAN_AGE_S: Final = 3600.0
"""A file without a row may be an upload that is just arriving; after this it is one whose process died."""

_ARRIVING_S: Final = 5.0
"""A folder without a job may be that of a job that is just being accepted."""


class Storage:
    """Files below ``root``."""

    def __init__(self, root: Path) -> None:
        self._files, self._jobs = root / "files", root / "jobs"
        for folder in (self._files, self._jobs):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, file_id: str) -> Path:
        """Where the file with this id is. The id must come from the job store."""
        return self._files / file_id

    def workspace(self, job_id: str) -> Path:
        """Folder of a job's finished stages and segments."""
        return self._jobs / job_id

    def receive(self, stream: IO[bytes], name: str, param: str) -> FileRecord:
        """Store an upload and tell what it is by its content. Raises ``unsupported_media`` and keeps nothing then."""
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        media_type = sniff(head)
        if media_type is None:
            fault = "is empty" if not head else "is no picture, sound or video (told by its first bytes)"
            raise ProblemError("unsupported_media", f"{param}: the file {fault}", param=param)
        file_id = new_id()
        part = self._files / f"{file_id}.part"
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("wb") as target:
                while block := stream.read(_BLOCK_BYTES):
                    digest.update(block)
                    size += target.write(block)
            part.replace(self.path(file_id))
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return FileRecord(file_id, _plain_name(name), media_type, size, digest.hexdigest(), time.time())

    def adopt(self, made: Path, name: str, media_type: str, job_id: str) -> FileRecord:
        """Move a job's finished file among the stored ones."""
        file_id = new_id()
        sha256 = file_sha256(made)
        size = made.stat().st_size
        made.replace(self.path(file_id))
        return FileRecord(file_id, name, media_type, size, sha256, time.time(), job_id=job_id)

    def remove(self, file_ids: Iterable[str]) -> None:
        for file_id in file_ids:
            self.path(file_id).unlink(missing_ok=True)

    def remove_workspace(self, job_id: str) -> None:
        shutil.rmtree(self.workspace(job_id), ignore_errors=True)

    def strip_workspace(self, job_id: str, kept: Container[str]) -> None:
        """Remove all of a job's folder but the files named ``kept``; the folder, too, where it holds none of them."""
        folder = self.workspace(job_id)
        with contextlib.suppress(OSError):  # it went with another job; or it is being added to, and is looked at again
            for path in list(folder.iterdir()):
                if path.name not in kept:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()

    def hand_on_workspace(self, job_id: str, new_job_id: str) -> bool:
        """Give a job's folder to another job. False where there is none; of two callers at once one gets it."""
        folder = self.workspace(job_id)
        try:
            os.utime(folder)  # so that nobody takes it for one without a job before the new one is stored
            folder.rename(self.workspace(new_job_id))
        except FileNotFoundError:
            return False
        return True

    def old_workspaces(self) -> list[str]:
        """Ids of the jobs whose folder was last added to more than a few seconds ago."""
        limit = time.time() - _ARRIVING_S
        with os.scandir(self._jobs) as entries:
            return [entry.name for entry in entries if _modified_at(entry) < limit]

    def old_files(self) -> list[str]:
        """Ids (or names of abandoned parts) of files that are older than an hour."""
        limit = time.time() - _ORPHAN_AGE_S
        with os.scandir(self._files) as entries:
            return [entry.name for entry in entries if _modified_at(entry) < limit]


def disk_is_full(error: OSError) -> bool:
    """Is it for want of space, or of this user's share of it?"""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _modified_at(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:  # another request erased it since the folder was read
        return math.inf


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; concurrent writers do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{new_id()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """What ``path`` holds; made by whoever comes first and readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{new_id()}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(make())
            with contextlib.suppress(FileExistsError):  # another process was a moment faster
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return path.read_bytes()


def _plain_name(name: str) -> str:
    """The last part of an uploaded file's name without control characters, at most 120 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:120] or "file"
