"""What the talking-head service takes and answers.

A video is made segment by segment and the service keeps nothing between calls: the portrait and the prepared speech
travel with every segment.
"""

from typing import Final

from pydantic import BaseModel, Field

Box = tuple[float, float, float, float]

FPS: Final = 25
"""Frames per second of a video made from a still portrait."""


class PortraitOptions(BaseModel):
    """JSON form field ``options`` of ``POST /v1/portraits``, beside the file ``portrait``."""

    face: int | None = Field(None, ge=0, description="index of the face, from the left, where there are several")


class PortraitReport(BaseModel):
    """Answer of ``POST /v1/portraits``: the portrait is fit to talk.

    Errors: unsupported_media, too_large, no_face, several_faces, face_too_small.
    """

    width: int
    height: int
    face_box: Box = Field(description="[x0, y0, x1, y1] in pixels of the upright portrait")
    face_size_px: float = Field(description="edge of the face square in the portrait")
    warnings: list[str]


class SpeechOptions(BaseModel):
    """JSON form field ``options`` of ``POST /v1/speech``, beside the file ``speech`` or the form field ``text``."""

    rate: float = Field(1.0, ge=0.5, le=2.0, description="speed of the packaged voice; for text only")


class SpeechReport(BaseModel):
    """Header ``X-Report`` of the answer of ``POST /v1/speech``.

    The body is a safetensors file with all that segments and the sound track need: ``actions`` (frames, 11) float32 at
    25 fps, ``hidden`` (2 * frames, 64) float32 at 50 Hz, ``loudness`` (frames,) float32, and ``soundtrack`` uint8: the
    speech at its own rate and channels as AAC in MP4. Errors: unsupported_media, audio_empty, audio_silent,
    audio_too_long.
    """

    duration_s: float
    frames: int
    sample_rate_hz: int
    channels: int
    warnings: list[str]


class SegmentOptions(BaseModel):
    """JSON form field ``options`` of ``POST /v1/segments``, beside the files ``portrait`` and ``speech``."""

    first_frame: int = Field(ge=0)
    frames: int = Field(ge=1, le=250)
    steps: int = Field(4, ge=1, le=50, description="denoising steps")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the denoiser's noise, the blinks and the sway")
    face: int | None = Field(None, ge=0, description="index of the face, from the left, where there are several")
    still: bool = Field(False, description="no blink and no sway: nothing moves but the lower face")


class SegmentReport(BaseModel):
    """Header ``X-Report`` of the answer of ``POST /v1/segments``; the body is H.264 in MP4 at 25 fps, without sound."""

    first_frame: int
    frames: int
    width: int
    height: int
    warnings: list[str]
    timings_s: dict[str, float]
