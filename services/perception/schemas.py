"""What the perception service takes and answers. Boxes are [x0, y0, x1, y1] in pixels of the upright original photo."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Box = tuple[float, float, float, float]
Symbol = Annotated[str, Field(pattern=r"^[PO][1-9][0-9]*$", examples=["P1"])]
Omitted = Literal["age", "gender"]

REGION: Final = "region"
"""Name of a thing of which only the outline is known: what it is, a caption tells."""


class Answer(BaseModel):
    """One answer about a person, a pair or the photo: what, how sure (0..1), and the model that gave it."""

    model_config = ConfigDict(frozen=True)

    value: str
    score: float = Field(ge=0, le=1)
    model: str


class Keypoint(BaseModel):
    """A joint of a person's body, in pixels of the upright photo."""

    name: str
    x: float = Field(description="pixels from the left")
    y: float = Field(description="pixels from the top")
    score: float = Field(ge=0, le=1)


class Mask(BaseModel):
    """Binary mask, run lengths in column-major order starting with zeros (COCO RLE), size = [height, width]."""

    size: tuple[int, int]
    counts: list[int]


class Person(BaseModel):
    """Somebody in the photo; boxes and landmarks in pixels of the upright photo."""

    symbol: Symbol
    box: Box
    score: float = Field(ge=0, le=1, description="1.0 where the caller gave the box")
    face_box: Box | None = None
    face_landmarks: list[tuple[float, float]] | None = Field(None, description="68 points (iBUG order), pixels")
    keypoints: list[Keypoint] = Field(default_factory=list, description="17 COCO points, pixels")
    mask: Mask | None = None
    attributes: dict[str, Answer] = Field(
        default_factory=dict, description="age, gender, expression, clothing, posture, action, holding ..."
    )


class Thing(BaseModel):
    """An object of the photo, <O1>, <O2>, ..."""

    symbol: Symbol
    box: Box
    name: str = Field(description="a class of COCO, or region where only the outline is known and a caption tells more")
    score: float = Field(ge=0, le=1)
    mask: Mask | None = None
    attributes: dict[str, Answer] = Field(default_factory=dict, description="caption")


class Pair(BaseModel):
    """What is seen between two people."""

    pair: tuple[Symbol, Symbol]
    answers: dict[str, Answer] = Field(description="distance, touch, looks, dress, age_gap ...")


class Record(BaseModel):
    """A fact that the story may tell; every sentence of the story rests on records."""

    id: str = Field(examples=["r3"])
    about: list[Symbol] = Field(description="empty for the whole photo")
    kind: str = Field(examples=["age", "clothing", "distance", "scene"])
    text: str = Field(examples=["<P1> is a man of about 35"])
    score: float = Field(ge=0, le=1)


class Sentence(BaseModel):
    """A sentence of the story and the ids of the records that it tells."""

    text: str
    records: list[str] = Field(min_length=1, examples=[["r1", "r4"]])
    by: Literal["template", "model"] = Field("template", description="model: a language model's wording, checked")


class PhotoOptions(BaseModel):
    """Options of every call with a photo, sent as the JSON form field ``options`` beside the file ``photo``.

    A misspelt option is refused: ``blur_faces`` must not fail in silence.
    """

    model_config = ConfigDict(extra="forbid")

    boxes: list[Box] | None = Field(None, max_length=200, description="people's boxes; these win over the detector")
    blur_faces: bool = Field(False, description="find people, then hide their faces before anything else is done")


class StoryOptions(PhotoOptions):
    """Options of ``POST /v1/answers`` and ``POST /v1/stories``."""

    omit: list[Omitted] = Field(default_factory=list, description="answers to leave out")
    masks: bool = Field(False, description="answer with a mask per person and object")


class Choice(BaseModel):
    """A label to choose from."""

    name: str = Field(min_length=1, max_length=60)
    definition: str = Field(min_length=1, max_length=400)
    sensitive: bool = False


class JudgeOptions(PhotoOptions):
    """Options of ``POST /v1/judgements``, the direct route."""

    pairs: list[tuple[Symbol, Symbol]] | None = Field(None, description="all pairs if left out")
    labels: list[Choice] = Field(min_length=2, max_length=26)
    leave_out_sensitive: bool = Field(False, description="choose among the others; the operator may force it")


class Sight(BaseModel):
    """Who and what is in a photo. Masks are there where they were asked for."""

    width: int
    height: int
    people: list[Person]
    objects: list[Thing]
    warnings: list[str]
    models: dict[str, str] = Field(description="role -> model name and revision")
    timings_s: dict[str, float]


class Judged(BaseModel):
    """What a vision-language model holds of one pair."""

    pair: tuple[Symbol, Symbol]
    probabilities: dict[str, float] = Field(description="every label; sums to 1")


class Judgement(Sight):
    """The people, and how they relate in the eyes of a model that saw the photo itself."""

    relations: list[Judged]
    model: str


class Answers(Sight):
    """What was answered about the photo, its people (in their attributes) and each two of them, the nearest first."""

    pairs: list[Pair]
    scene: dict[str, Answer]

    @model_validator(mode="after")
    def _symbols_agree(self) -> Self:
        """Sent back to be told, answers may have been edited: each symbol names one thing, and pairs name people."""
        symbols = [person.symbol for person in self.people]
        things = [thing.symbol for thing in self.objects]
        twice = sorted({symbol for symbol in (*symbols, *things) if (*symbols, *things).count(symbol) > 1})
        if twice:
            raise ValueError(f"people, objects: {', '.join(twice)} is there more than once")
        unknown = sorted({symbol for pair in self.pairs for symbol in pair.pair} - set(symbols))
        if unknown:
            raise ValueError(f"pairs: {', '.join(unknown)} is not one of the people")
        held = {person.attributes["holding"].value for person in self.people if "holding" in person.attributes}
        if held - set(things):
            raise ValueError(f"people: {', '.join(sorted(held - set(things)))} is held and not one of the objects")
        return self


class Story(Answers):
    """The answers, the records that they make, and the story that tells them."""

    records: list[Record]
    sentences: list[Sentence]
    story: str = Field(description="the sentences, one paragraph")
