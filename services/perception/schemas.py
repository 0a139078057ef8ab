"""What the perception service takes and answers. Boxes are [x0, y0, x1, y1] in pixels of the upright original photo."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Box = tuple[float, float, float, float]
Symbol = Annotated[str, Field(pattern=r"^[PO][1-9][0-9]*$", examples=["P1"])]


class Answer(BaseModel):
    """One answer about a person, a pair or the photo: what, how sure (0..1), and the model that gave it."""

    model_config = ConfigDict(frozen=True)

    value: str
    score: float = Field(ge=0, le=1)
    model: str


class Keypoint(BaseModel):
    name: str
    x: float
    y: float
    score: float = Field(ge=0, le=1)


class Mask(BaseModel):
    """Binary mask, run lengths in column-major order starting with zeros (COCO RLE), size = [height, width]."""

    size: tuple[int, int]
    counts: list[int]


class Person(BaseModel):
    symbol: Symbol
    box: Box
    score: float = Field(ge=0, le=1, description="1.0 where the caller gave the box")
    face_box: Box | None = None
    face_landmarks: list[tuple[float, float]] | None = Field(None, description="68 points (iBUG order), pixels")
    keypoints: list[Keypoint] = Field(default_factory=list, description="17 COCO points, pixels")
    mask: Mask | None = None
    attributes: dict[str, Answer] = Field(
        default_factory=dict, description="age, gender, expression, clothing, posture, holding ..."
    )


class Thing(BaseModel):
    """An object of the photo, <O1>, <O2>, ..."""

    symbol: Symbol
    box: Box
    name: str
    score: float = Field(ge=0, le=1)


class Pair(BaseModel):
    """What is seen between two people."""

    pair: tuple[Symbol, Symbol]
    answers: dict[str, Answer] = Field(description="distance, touch, facing, overlap, age_gap ...")


class Record(BaseModel):
    """A fact that the story may tell; every sentence of the story rests on records."""

    id: str = Field(examples=["r3"])
    about: list[Symbol] = Field(description="empty for the whole photo")
    kind: str = Field(examples=["age", "clothing", "distance", "scene"])
    text: str = Field(examples=["<P1> is a man of about 35"])
    score: float = Field(ge=0, le=1)


class StoryOptions(BaseModel):
    """Options of ``POST /v1/stories``, sent as the JSON form field ``options`` beside the file ``photo``.

    A misspelt option is refused: ``omit`` must not fail in silence.
    """

    model_config = ConfigDict(extra="forbid")

    boxes: list[Box] | None = Field(None, max_length=200, description="people's boxes; these win over the detector")
    omit: list[Literal["age", "gender"]] = Field(default_factory=list, description="answers to leave out")
    masks: bool = Field(False, description="answer with a mask per person")


class Story(BaseModel):
    width: int
    height: int
    people: list[Person]
    objects: list[Thing]
    pairs: list[Pair]
    scene: dict[str, Answer]
    records: list[Record]
    story: str
    warnings: list[str]
    models: dict[str, str] = Field(description="role -> model name and revision")
    timings_s: dict[str, float]
