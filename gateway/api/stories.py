"""/v1/stories: photo -> people, objects, story."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from pydantic import ValidationError

from gateway.api.parts import Parts, PartsDep, RequestId
from gateway.api.photos import PHOTO_PROBLEMS, BlurField, BoxesField, OmitField, PhotoFile, json_field, read_photo
from gateway.api.problems import problems
from services.common.app import validation_problem
from services.perception.schemas import PhotoOptions, Story, StoryOptions

_EXAMPLE: Final[dict[str, Any]] = {
    "width": 640,
    "height": 480,
    "people": [
        {
            "symbol": "P1",
            "box": [40.0, 60.0, 250.0, 470.0],
            "score": 0.93,
            "attributes": {"age": {"value": "35", "score": 0.8, "model": "faceres"}},
        }
    ],
    "objects": [{"symbol": "O1", "box": [300.0, 310.0, 360.0, 420.0], "name": "cup", "score": 0.71}],
    "pairs": [],
    "scene": {},
    "records": [{"id": "r1", "about": ["P1"], "kind": "person", "text": "<P1> is a man of about 35", "score": 0.8}],
    "sentences": [{"text": "<P1> is a man of about 35.", "records": ["r1"]}],
    "story": "<P1> is a man of about 35.",
    "warnings": [],
    "models": {"people": "centernet"},
    "timings_s": {"detect": 0.21},
}

router = APIRouter(prefix="/v1/stories", tags=["photos"])


@router.post(
    "",
    summary="Tell a photo",
    responses=problems("no_person", *PHOTO_PROBLEMS) | {200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
async def tell(
    photo: PhotoFile,
    parts: PartsDep,
    request_id: RequestId,
    *,
    boxes: BoxesField = None,
    omit: OmitField = None,
    blur_faces: BlurField = False,
    masks: Annotated[bool, Form(description="answer with a mask per person and object")] = False,
    fuse: Annotated[
        bool, Form(description="let the language model word the sentences; what drops or adds a fact stays plain")
    ] = False,
) -> Story:
    """Who and what is in a photo, and the story that these facts make. The photo is not kept.

    `curl -F photo=@photo.jpg http://127.0.0.1:8000/v1/stories`
    """
    options = story_options(json_field("boxes", boxes), json_field("omit", omit), blur_faces=blur_faces, masks=masks)
    told = await parts.perception.story(await read_photo(photo), options, request_id)
    return await _fused(told, parts, request_id) if fuse else told


async def _fused(told: Story, parts: Parts, request_id: str) -> Story:
    """The same story in the language model's words; each sentence rests on the records that it rested on."""
    answer = await parts.reasoning.fuse([sentence.text for sentence in told.sentences], request_id)
    sentences = [
        sentence.model_copy(update={"text": fused.text, "by": fused.by})
        for sentence, fused in zip(told.sentences, answer.sentences, strict=True)
    ]
    plain = sum(sentence.by == "template" for sentence in sentences)
    warnings = [f"story: {plain} of {len(sentences)} sentences stay plain; the model's dropped or added a fact"]
    return told.model_copy(
        update={
            "sentences": sentences,
            "story": " ".join(sentence.text for sentence in sentences),
            "warnings": told.warnings + (warnings if plain else []),
            "models": told.models | {"fusion": answer.model},
        }
    )


def story_options(boxes: Any, omit: Any, *, blur_faces: bool, masks: bool = False) -> StoryOptions:
    """Raises ``invalid_request`` where ``boxes`` or ``omit`` are none."""
    try:
        return StoryOptions(boxes=boxes, omit=omit or [], blur_faces=blur_faces, masks=masks)
    except ValidationError as error:
        raise validation_problem(error.errors()) from None


def photo_options(boxes: Any, *, blur_faces: bool) -> PhotoOptions:
    """Raises ``invalid_request`` where ``boxes`` are none."""
    try:
        return PhotoOptions(boxes=boxes, blur_faces=blur_faces)
    except ValidationError as error:
        raise validation_problem(error.errors()) from None
