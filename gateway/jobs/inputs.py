"""The ``input`` of each kind of job, as its row keeps it."""

from typing import Final

from pydantic import BaseModel

VIDEO: Final = "video"

PORTRAIT: Final = "portrait"
SPEECH: Final = "speech"
"""Stages of a video job that the gateway may have done before the job is accepted."""


class VideoInput(BaseModel):
    """Ids of stored files, either ``speech`` or ``text``, the options of ``POST /v1/videos``, and how it is cut.

    ``segment_frames`` is fixed when the job is accepted: a setting that changes later must move no cut of a job that is
    resumed or watched.
    """

    portrait: str
    speech: str | None = None
    text: str | None = None
    steps: int
    seed: int
    face: int | None = None
    still: bool = False
    segment_frames: int
