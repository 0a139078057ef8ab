"""What the talking-head service takes and answers.

A video is made segment by segment; a segment needs the source (a portrait, or a video that is voiced anew with its
face track) and its slice of the prepared speech. Source and track travel once: wherever a call takes the file
``portrait`` or ``track``, the form field ``portrait_sha256`` or ``track_sha256`` stands for it. The service holds such
files for a while; what it does not hold it answers with ``input_missing`` (409, ``missing`` names the files), and the
caller repeats the call with them. ``DELETE /v1/inputs/{sha256}`` erases one, and what was found out about it.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from services.common.errors import ProblemError

Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]

FPS: Final = 25
"""Frames per second of a video made from a still portrait."""

Sampler = Literal["ddim", "dpm-solver++"]

LONGEST_SEGMENT: Final = 250
"""Frames of one segment."""


LARGEST: Final = "largest"


def _ordered(box: Box) -> Box:
    if not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError("a box is [x0, y0, x1, y1] with x0 < x1 and y0 < y1")
    return box


FaceChoice = Annotated[int, Field(ge=0)] | Literal["largest"] | Annotated[Box, AfterValidator(_ordered)]
"""Which of several faces: its index from the left, the largest, or the one in a box ``[x0, y0, x1, y1]`` in pixels of
the upright source. Of a video the first frame that shows a face is meant."""

_FACE_CHOICE: Final[TypeAdapter[FaceChoice]] = TypeAdapter(FaceChoice)


def read_face(text: str) -> FaceChoice:
    """``largest``, ``1`` or ``[x0, y0, x1, y1]`` (brackets may be left out); raises invalid_request."""
    said = text.strip()
    try:
        return _FACE_CHOICE.validate_python(said.strip("[]").split(",") if "," in said else said)
    except ValidationError:
        raise ProblemError(
            "invalid_request",
            f"face: it is {text!r}; say '{LARGEST}', an index from the left (0, 1, ...), or a box [x0, y0, x1, y1] "
            "in pixels with x0 < x1 and y0 < y1",
            param="face",
        ) from None


class Way(BaseModel):
    """How the loaded model is used, where it is one of the published kind."""

    draft: bool | None = Field(
        None,
        description="give the model a geometric draft of each frame as its reference and begin there; "
        "null: as the model was trained",
    )
    progressive: bool = Field(False, description="each frame is the reference of the next one (DiffTalk, section 3.3)")


class PortraitOptions(Way):
    """JSON form field ``options`` of ``POST /v1/portraits``, beside the file ``portrait`` (a picture or a video)."""

    face: FaceChoice | None = Field(None, description="which face; null: the only one, of a video the largest")


class PortraitReport(BaseModel):
    """Answer of ``POST /v1/portraits``: the portrait is fit to talk.

    Of a video the first frames are looked at. Without ``face`` the largest is taken there; where no face shows yet,
    box and size are null. Errors: unsupported_media, too_large, no_face, several_faces, face_too_small,
    invalid_request (no face of this index or in this box; the problem lists the boxes found as ``faces``).
    """

    width: int
    height: int
    face_box: Box | None = Field(description="[x0, y0, x1, y1] in pixels of the upright portrait")
    face_size_px: float | None = Field(description="edge of the face square in the portrait")
    warnings: list[str]


class TrackOptions(BaseModel):
    """JSON form field ``options`` of ``POST /v1/tracks``, beside the file ``portrait``, a video."""

    face: FaceChoice | None = Field(None, description="which face in the first frame that shows one; null: the largest")


class TrackReport(BaseModel):
    """Header ``X-Report`` of the answer of ``POST /v1/tracks``.

    The body is a safetensors file with all that segments need beside the video itself: per decoded frame ``stamps``
    (S,) int64, ``landmarks`` and ``neutral`` (S, 68, 2) float32, ``strength`` (S,) float32 (0: the frame passes through
    untouched), and ``shown`` (N,) int64: the decoded frame at each place of the video at a constant frame rate.
    ``warnings`` names the ranges of untouched frames. Errors: unsupported_media, too_large, no_face, face_too_small,
    invalid_request.
    """

    width: int = Field(description="of the upright video, as it is made")
    height: int
    fps: tuple[int, int] = Field(description="frames per second, numerator and denominator")
    frames: int
    warnings: list[str]


class SpeechOptions(BaseModel):
    """JSON form field ``options`` of ``POST /v1/speech``, beside the file ``speech`` or the form field ``text``."""

    voice: str | None = Field(None, description="who reads the text, see GET /v1/voices; null: the first of them")
    rate: float = Field(1.0, ge=0.5, le=2.0, description="speed of the voice; for text only")


class VoiceView(BaseModel):
    """Somebody who reads a text aloud."""

    name: str
    language: str = Field(description="BCP 47", examples=["en-US"])
    gender: str


class VoicesReport(BaseModel):
    """Answer of ``GET /v1/voices``; the first voice is taken where none is asked for."""

    voices: list[VoiceView]


class Caption(BaseModel):
    """A sentence of a text, and when it is spoken."""

    begin_s: float = Field(ge=0)
    end_s: float
    text: str


class SpeechReport(BaseModel):
    """Header ``X-Report`` of the answer of ``POST /v1/speech``.

    The body is a safetensors file with all that segments and the sound track need: ``actions`` (frames, 11) float32 at
    25 fps; ``features`` (2 frames, n) float32, what the model hears at 50 Hz; ``span`` (2,) int64, 0 and frames;
    ``soundtrack`` uint8: the speech at its own rate and channels as AAC in MP4; and ``captions`` uint8: a JSON list of
    ``Caption``, empty for a sound file. A segment needs no more of it than ``client.slice_speech`` cuts. Errors:
    unsupported_media, audio_empty, audio_silent, audio_too_long, invalid_request (``features``: missing, not wanted, or
    of another speech).
    """

    duration_s: float
    frames: int
    sample_rate_hz: int
    channels: int
    warnings: list[str]


LONGEST_MEASURED_S: Final = 60
"""Seconds of a video in which a mouth is measured."""


class MouthReport(BaseModel):
    """Answer of ``POST /v1/mouths``: a list entry for each frame of the video's first minute.

    Errors: unsupported_media, too_large, audio_empty, audio_silent, audio_too_long.
    """

    fps: float = Field(description="frames per second")
    openings: list[float | None] = Field(
        description="distance of the lips' inner edges over the mouth's width; null where no face was found"
    )
    loudness: list[float] = Field(description="root mean square of the sound, 1 is full scale")


class SegmentOptions(Way):
    """JSON form field ``options`` of ``POST /v1/segments``, beside the files ``portrait`` and ``speech``.

    With the file ``track`` the portrait is a video that is voiced anew: it is played back and forth as long as the
    speech lasts; frames behind the speech, to the video's end, are its own. ``face`` and ``still`` say nothing then.

    Segments may be made in any order, but for ``progressive`` ones: each of them but the first is given the file
    ``state``, which the answer to the one before holds.
    """

    first_frame: int = Field(ge=0)
    frames: int = Field(ge=1, le=LONGEST_SEGMENT)
    steps: int | None = Field(
        None,
        ge=1,
        le=200,
        description="denoising steps; null: 4 for a model that refines drafts, else 50",
    )
    sampler: Sampler = Field("ddim", description="how to go from noise level to noise level")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the denoiser's noise, the blinks and the sway")
    face: FaceChoice | None = Field(None, description="which face, as the portrait was looked at")
    still: bool = Field(False, description="no blink and no sway: nothing moves but the lower face")
    label: bool = Field(False, description="write into every frame that it was made")
    mark: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="watermark that is put into every frame")


class SegmentReport(BaseModel):
    """Header ``X-Report`` of the answer of ``POST /v1/segments``; the body is H.264 in MP4 without sound, at 25 fps
    or at the frame rate of the video that is voiced anew.

    Where ``progressive`` was asked for, the body is a safetensors file with that MP4 as ``video`` and the end state as
    ``state``, both uint8.
    """

    first_frame: int
    frames: int
    width: int
    height: int
    model: str = Field(description="name of the model that made it")
    warnings: list[str]
    timings_s: dict[str, float]
