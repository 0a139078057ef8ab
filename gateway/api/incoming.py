"""The files of one request for a video: received before its job is stored, and removed again unless it is."""

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from fastapi import UploadFile
from starlette.concurrency import run_in_threadpool

from gateway.api.parts import Parts
from gateway.jobs.inputs import SPEECH
from gateway.jobs.records import FileRecord
from gateway.store.owners import OwnerStore
from services.common.errors import ProblemError


class Incoming:
    """A context; what was received is gone behind it unless it was told to ``keep`` it."""

    def __init__(self, parts: Parts, mine: OwnerStore) -> None:
        self._parts, self._mine = parts, mine
        self._received: list[FileRecord] = []

    async def file(
        self, upload: UploadFile | None, file_id: str | None, param: str, fits: Callable[[str], bool]
    ) -> FileRecord:
        """The upload, stored, or the file with this id. Raises ``unsupported_media`` where its type does not fit."""
        if upload is not None:
            if upload.size == 0 and param == SPEECH:
                raise ProblemError("audio_empty", "speech: the file is empty", param=param)
            storage = self._parts.storage
            file = await run_in_threadpool(storage.receive, upload.file, upload.filename or "", param)
            self._received.append(file)
        else:
            file = await run_in_threadpool(self._mine.file, str(file_id))
        if not fits(file.media_type):
            raise ProblemError("unsupported_media", f"{param}: {file.media_type} is of the wrong kind", param=param)
        return file

    def files(self, job_id: str) -> tuple[FileRecord, ...]:
        """What was received, to be erased with the job."""
        return tuple(replace(file, job_id=job_id) for file in self._received)

    def keep(self) -> None:
        self._received.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._received:
            await run_in_threadpool(self._parts.storage.remove, [file.id for file in self._received])
