"""The ``input`` of each kind of job, as its row keeps it."""

from typing import Final, Literal

from pydantic import BaseModel

VIDEO: Final = "video"

PORTRAIT: Final = "portrait"
SPEECH: Final = "speech"
"""Stages of a video job that the gateway may have done before the job is accepted."""

Rest = Literal["keep", "cut"]
"""What becomes of the rest of a video that is longer than its new speech: kept as it is (silent), or cut off."""


class VideoInput(BaseModel):
    """Ids of stored files, either ``speech`` or ``text``, and the options of ``POST /v1/videos``.

    ``portrait`` is a picture, or a video that is voiced anew.
    """

    portrait: str
    speech: str | None = None
    text: str | None = None
    steps: int
    seed: int
    face: int | None = None
    still: bool = False
    rest: Rest = "keep"
