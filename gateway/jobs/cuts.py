"""Where a video is cut into segments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """The ``frames`` pictures from ``first_frame`` on."""

    first_frame: int
    frames: int

    @property
    def end_frame(self) -> int:
        """The first frame behind it."""
        return self.first_frame + self.frames

    @property
    def stage(self) -> str:
        """Name of the finished segment in the job's workspace."""
        return f"segments/{self.first_frame:06d}"


def cuts(frames: int, segment_frames: int) -> list[Cut]:
    """The segments of a video of ``frames``: all of ``segment_frames`` but the last, which holds the rest."""
    return [Cut(first, min(segment_frames, frames - first)) for first in range(0, frames, segment_frames)]
