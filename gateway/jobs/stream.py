"""A video as HLS while it is made, and after, and its captions: remuxed when asked for, and nothing is kept."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from gateway.jobs.captions import read_track, webvtt
from gateway.jobs.cuts import Cut
from gateway.jobs.fragment import Fragment, Tracks, fragment
from gateway.jobs.inputs import FILMS, SPEECH, VideoInput
from gateway.jobs.plan import Plan, plan_of
from gateway.jobs.records import Job
from gateway.jobs.state import JobStatus
from gateway.jobs.workspace import Workspace
from gateway.storage import Storage
from gateway.store.owners import OwnerStore
from services.common.errors import ProblemError
from services.talkinghead.client import read_captions, read_soundtrack
from services.talkinghead.schemas import FPS

T = TypeVar("T")

Result = Callable[[], AbstractContextManager[Path]]
"""A finished video, to be read within the context."""


@dataclass(frozen=True)
class Stream:
    """The segments that can be watched; ``complete`` where no more will come. They lie in ``source``."""

    ready: list[Cut]
    complete: bool
    segment_frames: int
    fps: Fraction
    source: Result | Workspace

    def playlist(self, query: str = "") -> str:
        """An EVENT playlist (RFC 8216): it only grows, and every version of it names the same pieces alike.

        ``query`` is passed on to the pieces: that of a signed link opens them, too.
        """
        suffix = f"?{query}" if query else ""
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{math.ceil(self.segment_frames / FPS)}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:EVENT",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-START:TIME-OFFSET=0",  # from the beginning, not from the newest piece as of a broadcast
        ]
        if self.ready:
            lines.append(f'#EXT-X-MAP:URI="stream/head.mp4{suffix}"')
        for index, cut in enumerate(self.ready):
            lines += [f"#EXTINF:{float(cut.frames / self.fps):.3f},", f"stream/{index}.m4s{suffix}"]
        if self.complete:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    def head(self) -> bytes | None:
        """What a player reads before any piece; None while there is none."""
        made = self._fragment(0)
        return None if made is None else made.head

    def piece(self, index: int) -> bytes | None:
        """Pictures and sound of a segment; None where it is not ready."""
        made = self._fragment(index)
        return None if made is None else made.media

    def captions(self) -> str | None:
        """WebVTT of the text that is spoken; None where none is, or it is not known yet when."""
        if not isinstance(self.source, Workspace):
            with self.source() as result:
                told = read_track(result)
        elif self.source.has(SPEECH):
            with self.source.content(SPEECH) as speech:
                told = read_captions(speech)
        else:
            told = []
        return webvtt(told) if told else None

    def _fragment(self, index: int) -> Fragment | None:
        if index >= len(self.ready):
            return None
        cut, last = self.ready[index], self.complete and index == len(self.ready) - 1
        with ExitStack() as reading:
            if isinstance(self.source, Workspace):
                opening, pictures, speech = (
                    reading.enter_context(self.source.content(stage))
                    for stage in (self.ready[0].stage, cut.stage, SPEECH)
                )
                tracks = Tracks(opening, pictures, cut.first_frame, read_soundtrack(speech))
            else:
                result = reading.enter_context(self.source())
                tracks = Tracks(result, result, 0, result)
            return fragment(tracks, cut, fps=self.fps, number=index + 1, last=last)


def read_stream(mine: OwnerStore, storage: Storage, job_id: str, read: Callable[[Stream], T | None]) -> T:
    """What ``read`` takes from a job's stream. Raises ``not_found`` where that is None or there is no stream.

    A job that ends erases its work in progress, perhaps while it is read here. So its row is looked at afterwards, too:
    where it has changed, what was read may lack something, and is read again from where it is now.
    """
    while True:
        job = mine.job(job_id)
        try:
            found = read(_stream(job, storage))
        except FileNotFoundError:
            found = None
        if mine.job(job_id).status is job.status:
            break
    if found is None:
        raise ProblemError("not_found", f"job {job_id!r}: there is no such piece of its stream (yet)", param="index")
    return found


def _stream(job: Job, storage: Storage) -> Stream:
    """What of a job can be watched: what its worker has finished, or its result."""
    if job.kind not in FILMS:
        raise ProblemError("not_found", f"job {job.id!r} makes no video, it is of kind {job.kind}", param="id")
    if job.status in (JobStatus.FAILED, JobStatus.CANCELED):
        raise ProblemError("not_found", f"job {job.id!r} is {job.status}: its stream has ended", param="id")
    wanted = VideoInput.model_validate(job.input)
    if job.output is not None:
        file_id = job.output["file_id"]
        if not storage.has(file_id):
            raise ProblemError("not_found", f"job {job.id!r}: its video was erased", param="id")
        plan = Plan.of_output(job.output, wanted.segment_frames)
        return Stream(plan.cuts(), True, wanted.segment_frames, plan.fps, partial(storage.copy, file_id))
    kept = storage.workspace(job.id)
    finished = kept.finished()
    if SPEECH not in finished:
        return Stream([], False, wanted.segment_frames, Fraction(FPS), kept)
    plan = plan_of(kept, wanted)
    planned = plan.cuts()
    ready = list(takewhile(lambda cut: cut.stage in finished, planned))
    return Stream(ready, ready == planned, wanted.segment_frames, plan.fps, kept)
