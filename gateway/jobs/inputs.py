"""The ``input`` of each kind of job, as its row keeps it."""

from typing import Any, Final, Literal

from pydantic import BaseModel

from services.reasoning.schemas import ChosenPrompt, LabelledStory, TaxonomyChoice
from services.talkinghead.schemas import FaceChoice, PortraitOptions, Sampler, SpeechOptions

VIDEO: Final = "video"
NARRATION: Final = "narration"
FILMS: Final = (VIDEO, NARRATION)
"""Kinds of jobs whose steps are the segments of a video, to be watched while it is made."""

PROMPT_SEARCH: Final = "prompt_search"
EVALUATION: Final = "evaluation"

PORTRAIT: Final = "portrait"
SPEECH: Final = "speech"
"""Stages of a video job that the gateway may have done before the job is accepted."""

PHOTO: Final = "photo"
"""What a narration tells of: a stored file, or in the job's folder until it has been looked at."""

PERCEPTION: Final = "perception"
REASONING: Final = "reasoning"
SCRIPT: Final = "script"
"""Stages of a narration before those of its video."""

TRACK: Final = "track"
"""Stage of a job whose portrait is a video."""

Basis = Literal["self", "written", "licensed", "synthetic"]
"""Why a face may be animated: it is one's own; a written consent; a licence or the public domain; it is nobody's."""

Rest = Literal["keep", "cut"]
"""What becomes of the rest of a video that is longer than its new speech: kept as it is (silent), or cut off."""

FEATURES: Final = "features"
"""File of speech features beside the speech, for a model that hears them."""


class VideoInput(BaseModel):
    """Ids of stored files, either ``speech`` or ``text``, the options of ``POST /v1/videos``, and how it is cut.

    ``portrait`` is a picture, or a video that is voiced anew. ``segment_frames`` is fixed when the job is accepted: a
    setting that changes later must move no cut of a job that is resumed or watched. So is ``label``, the visible one.
    """

    portrait: str
    speech: str | None = None
    text: str | None = None
    voice: str | None = None
    rate: float = 1.0
    features: str | None = None
    steps: int | None = None
    seed: int
    face: FaceChoice | None = None
    still: bool = False
    draft: bool | None = None
    progressive: bool = False
    sampler: Sampler = "ddim"
    rest: Rest = "keep"
    segment_frames: int
    label: bool = True
    sources: dict[str, str] = {}  # SHA-256 of what the video is made of

    def portrait_options(self) -> PortraitOptions:
        """What the service is asked about the portrait."""
        return PortraitOptions(face=self.face, draft=self.draft, progressive=self.progressive)

    def speech_options(self) -> SpeechOptions:
        """How the service prepares the speech."""
        return SpeechOptions(voice=self.voice, rate=self.rate)


class NarrationInput(VideoInput):
    """A video whose ``text`` is a script: the caller's own, or None where the job writes it.

    What it is written from is in the job's folder and goes with it when the job ends; ``photo`` is the id of a stored
    file, where the photo was given so.
    """

    photo: str | None = None
    pair: tuple[str, str] | None = None
    taxonomy: str | None = None


class StoriesInput(BaseModel):
    """Of a prompt search or an evaluation: what is told of it. The stories themselves are in the job's folder, and go
    with it when the job ends."""

    taxonomy: str
    stories: int
    photos: int = 0  # that the stories are told from
    stories_sha256: str
    prompt: str | None = None
    options: dict[str, Any] = {}


class EvaluationInput(BaseModel):
    """What an evaluation is asked, as it stands in the job's folder: ``stories``, or photos to tell them from."""

    stories: list[LabelledStory] | None = None
    annotations: str | None = None
    photos: dict[str, str] = {}  # as the annotations name them -> id of a stored file
    taxonomy: TaxonomyChoice
    prompt: ChosenPrompt | None
    stories_sha256: str  # of the stories or of the annotations
