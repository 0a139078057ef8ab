"""/v1/relations: photo or story -> how the people in it relate, and the social graph."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from gateway.api.answers import RelationsAnswer
from gateway.api.direct import judge_photo
from gateway.api.parts import MyPrompts, PartsDep, RequestId
from gateway.api.photos import PHOTO_PROBLEMS, json_field, read_photo
from gateway.api.problems import problems
from gateway.api.prompts import wanted_prompt
from gateway.api.stories import story_options
from gateway.api.taxonomies import check_taxonomy, taxonomy_field
from gateway.people import check_people, people_in
from gateway.social_graph import social_graph
from services.common.app import validation_problem
from services.common.errors import ProblemError
from services.perception.schemas import Judgement, Story, StoryOptions
from services.reasoning.schemas import Question, RelationsRequest, RelationsResponse

Model = TypeVar("Model", bound=BaseModel)
Prompt = Annotated[
    str | None,
    Field(max_length=32, description="id of a stored prompt, or `shipped`; the active one of the taxonomy if left out"),
]


class RelationsQuestion(Question):
    """The JSON body. As a form: the same, ``photo`` for ``story``, and the fields of ``/v1/stories``."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt = None


OFF: Final = "off"
"""The form's ``story`` beside a photo that asks for the direct route."""


class RelationsForm(BaseModel):
    """The multipart form but for the photo; ``pairs``, ``boxes``, ``omit`` and an own taxonomy are JSON."""

    model_config = ConfigDict(extra="forbid")

    story: str | None = Field(
        None,
        description="instead of a photo; `off` beside a photo: a model that sees it answers without a story",
    )
    pairs: str | None = Field(None, description='JSON, for example [["P1", "P2"]]; all pairs if left out')
    boxes: str | None = Field(None, description="JSON [[x0, y0, x1, y1], ...]; these win over the detector")
    omit: str | None = Field(None, description='answers about people to leave out, as JSON: ["age", "gender"]')
    blur_faces: bool = Field(False, description="hide the faces once people are found, before anything else is done")
    taxonomy: str = Field(
        "pisc", description="pisc, pipa, or an own one as JSON {name, labels: [{name, definition, phrases}]}"
    )
    explain: bool = True
    abstain_below: float = Field(0.0, ge=0, le=1)
    coverage: float | None = Field(None, gt=0, lt=1, description="answer sets of labels that are right this often")
    leave_out_sensitive: bool = False
    prompt: Prompt = None


_STORY_BODY: Final = RelationsQuestion.model_json_schema(ref_template="#/components/schemas/{model}")
_FORM_BODY: Final = RelationsForm.model_json_schema()
_FORM_BODY["properties"]["photo"] = {"type": "string", "format": "binary", "description": "instead of a story"}
_STORY_BODY.pop("$defs")  # the answer's schema brings Label and Taxonomy into the components

router = APIRouter(prefix="/v1/relations", tags=["photos"])


@router.post(
    "",
    summary="How do the people relate?",
    responses=problems(
        "no_person",
        "one_person",
        "unknown_person",
        "story_empty",
        "story_too_long",
        "taxonomy_invalid",
        "not_found",
        *PHOTO_PROBLEMS,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _FORM_BODY, "example": {"photo": "@photo.jpg", "taxonomy": "pisc"}},
                "application/json": {
                    "schema": _STORY_BODY,
                    "example": {"story": "<P1> and <P2> sit close together and laugh.", "pairs": [["P1", "P2"]]},
                },
            },
        }
    },
)
async def relate(request: Request, parts: PartsDep, prompts: MyPrompts, request_id: RequestId) -> RelationsAnswer:
    """Per pair of people: the relation, the probability of every label, the reason and its evidence. Nothing is kept.
    A built-in taxonomy is asked with the stored `prompt` that is named, else with the caller's active one, else with
    the one that ships; the answer's `prompt` tells its name and hash.

    `curl -F photo=@photo.jpg http://127.0.0.1:8000/v1/relations`
    """
    photo, options, question = await _read(request)
    seen: Story | Judgement | None = None
    prompt = await wanted_prompt(prompts, question.prompt, question.taxonomy)
    if photo is not None and question.story == OFF:
        if question.prompt is not None:
            rule = "story=off asks no language model and takes none; leave it out"
            raise ProblemError("invalid_request", f"prompt: {rule}", param="prompt")
        seen, answer = await judge_photo(parts, photo, options, question, request_id)
        return _answer("", seen, [person.symbol for person in seen.people], answer)
    if photo is not None:
        seen = await parts.perception.story(photo, options, request_id)
        question = question.model_copy(update={"story": seen.story})
    symbols = [person.symbol for person in seen.people] if seen else people_in(question.story)
    check_people(symbols, question.pairs or [], "story" if seen is None else "photo", "pairs")
    asked = RelationsRequest.model_validate(question.model_dump() | {"prompt": prompt})
    answer = await parts.reasoning.relations(asked, request_id)
    return _answer(question.story, seen, symbols, answer)


async def _read(request: Request) -> tuple[bytes | None, StoryOptions, RelationsQuestion]:
    """The photo (None where a story was given), how to look at it, and the question."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return None, StoryOptions(), _question(json_field("body", (await request.body()).decode(errors="replace")))
    async with request.form(max_files=1, max_fields=len(RelationsForm.model_fields)) as form:
        fields = {name: value for name, value in form.items() if name != "photo"}
        asked = _validated(RelationsForm, fields)
        photo = form.get("photo")
        direct = photo is not None and asked.story == OFF
        if (photo is None) == (asked.story is None) and not direct:
            raise ProblemError("invalid_request", "photo, story: give one of the two", param="photo")
        if photo is not None and not isinstance(photo, UploadFile):
            raise ProblemError("invalid_request", "photo: it is a text field; send it as a file", param="photo")
        content = None if photo is None else await read_photo(photo)
    question = {
        "story": asked.story or "",
        "pairs": json_field("pairs", asked.pairs),
        "taxonomy": taxonomy_field(asked.taxonomy),
        "explain": asked.explain,
        "abstain_below": asked.abstain_below,
        "coverage": asked.coverage,
        "leave_out_sensitive": asked.leave_out_sensitive,
        "prompt": asked.prompt,
    }
    options = story_options(
        json_field("boxes", asked.boxes), json_field("omit", asked.omit), blur_faces=asked.blur_faces
    )
    return content, options, _question(question)


def _question(values: Any) -> RelationsQuestion:
    """The checked question. Raises ``invalid_request``, or ``taxonomy_invalid`` with what is wrong about an own one."""
    check_taxonomy(values.get("taxonomy", "pisc") if isinstance(values, dict) else "pisc")
    return _validated(RelationsQuestion, values)


def _validated(model: type[Model], values: Any) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise validation_problem(error.errors()) from None


def _answer(
    story: str, seen: Story | Judgement | None, symbols: Sequence[str], answer: RelationsResponse
) -> RelationsAnswer:
    boxes = {person.symbol: person.box for person in seen.people} if seen else {}
    timings_s = {f"perception.{stage}": s for stage, s in seen.timings_s.items()} if seen else {}
    return RelationsAnswer(
        width=seen.width if seen else None,
        height=seen.height if seen else None,
        people=seen.people if seen else [],
        objects=seen.objects if seen else [],
        story=story,
        relations=answer.relations,
        taxonomy=answer.taxonomy,
        prompt=answer.prompt,
        model=answer.model,
        method=answer.method,
        group=answer.group,
        graph=social_graph(symbols, boxes, answer),
        warnings=(seen.warnings if seen else []) + answer.warnings,
        timings_s=timings_s | {f"reasoning.{stage}": s for stage, s in answer.timings_s.items()},
    )
