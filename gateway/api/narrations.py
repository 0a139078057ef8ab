"""/v1/narrations: a photo's people and how they relate, told by a portrait."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from gateway.access.caller import CallerDep
from gateway.api.accept import FILM_PROBLEMS, accept, check_text, fingerprint
from gateway.api.answers import STORY_EXAMPLE, ScriptView
from gateway.api.consent import ConsentField, read_consent
from gateway.api.early_check import EarlyCheck, EarlySight
from gateway.api.incoming import Incoming
from gateway.api.manner import MannerFields
from gateway.api.parts import ExpiresInField, IdempotencyKey, Mine, MyPrompts, Parts, PartsDep, RequestId
from gateway.api.photos import PHOTO_PROBLEMS, BlurField, BoxesField, OmitField, json_field, read_photo
from gateway.api.problems import problems
from gateway.api.prompts import active_prompt
from gateway.api.schemas import JobView, job_view
from gateway.api.stories import story_options
from gateway.api.taxonomies import taxonomy_field
from gateway.jobs.inputs import NARRATION, PORTRAIT, NarrationInput
from gateway.jobs.records import NewJob, new_id
from gateway.media import has_face, is_image
from gateway.narration.question import NarrationQuestion, Told, find_relation
from gateway.narration.script import write_script
from gateway.storage import not_erased
from gateway.store.owners import OwnerStore
from gateway.store.prompts import PromptStore
from gateway.taxonomy import find_taxonomy
from services.common.app import validation_problem
from services.common.errors import ProblemError
from services.perception.schemas import Story
from services.reasoning.schemas import Relation, RelationsRequest, RelationsResponse, Taxonomy

_LONGEST_STORY: Final = 12_000
"""Characters. The language model reads less."""

_ABOUT: Final = (
    "no_person",
    "one_person",
    "unknown_person",
    "story_too_long",
    "taxonomy_invalid",
    "not_found",
    *PHOTO_PROBLEMS,
)

router = APIRouter(prefix="/v1/narrations", tags=["narrations"])

PhotoField = Annotated[UploadFile | None, File(description="whose people are told of: JPEG, PNG, WebP, ...")]
PhotoIdField = Annotated[str | None, Form(max_length=32, description="or the id of an uploaded file")]


@dataclass(frozen=True)
class About:
    """What is told: the form fields that the script and the job take alike."""

    story: Annotated[
        str | None, Form(max_length=_LONGEST_STORY, description="instead of a photo", examples=[STORY_EXAMPLE])
    ] = None
    pair: Annotated[
        str | None,
        Form(description="JSON; the relation that is surest if left out", examples=['["P1", "P2"]']),
    ] = None
    taxonomy: Annotated[
        str, Form(description="pisc, pipa, or an own one as JSON; its labels may say how they are `spoken`")
    ] = "pisc"
    boxes: BoxesField = None
    omit: OmitField = None
    blur_faces: BlurField = False
    abstain_below: Annotated[float, Form(ge=0, le=1, description="a less probable relation is not told")] = 0.0
    leave_out_sensitive: Annotated[bool, Form(description="choose among labels that are not flagged as sensitive")] = (
        False
    )

    async def question(self, prompts: PromptStore) -> NarrationQuestion:
        """Raises ``invalid_request``, ``taxonomy_invalid``."""
        taxonomy = taxonomy_field(self.taxonomy)
        look = story_options(json_field("boxes", self.boxes), json_field("omit", self.omit), blur_faces=self.blur_faces)
        asked = {
            "story": self.story,
            "look": look,
            "pair": json_field("pair", self.pair),
            "taxonomy": taxonomy,
            "abstain_below": self.abstain_below,
            "leave_out_sensitive": self.leave_out_sensitive,
            "prompt": await active_prompt(prompts, taxonomy),
        }
        try:
            return NarrationQuestion.model_validate(asked)
        except ValidationError as error:
            raise validation_problem(error.errors()) from None


AboutFields = Annotated[About, Depends()]


@router.post("/scripts", summary="Write what a portrait shall tell", responses=problems(*_ABOUT))
async def script(
    parts: PartsDep,
    mine: Mine,
    prompts: MyPrompts,
    request_id: RequestId,
    *,
    photo: PhotoField = None,
    photo_id: PhotoIdField = None,
    about: AboutFields,
    relation: Annotated[
        str | None,
        Form(description="JSON: one of the `relations` that `/v1/relations` answered; nobody is asked again"),
    ] = None,
) -> ScriptView:
    """A few sentences in plain words: who is there, how two of them relate and why. Nothing is kept.

    Mend the `script` as you like and give it to `POST /v1/narrations`; without this call that job writes it itself.

    `curl -F photo=@photo.jpg http://127.0.0.1:8000/v1/narrations/scripts`
    """
    _one_of(photo=photo, photo_id=photo_id, story=about.story)
    question = await about.question(prompts)
    known = None if relation is None else _known(relation)
    if known is not None:
        question = question.model_copy(update={"pair": known.pair})

    # 1. Who and what is there?
    seen: Story | None = None
    if about.story is None:
        seen = await parts.perception.story(await _photo(parts, mine, photo, photo_id), question.look, request_id)
    story = question.check(seen)

    # 2. How do they relate?
    async def ask(request: RelationsRequest) -> RelationsResponse:
        return await parts.reasoning.relations(request, request_id)

    told = Told(relation=known, warnings=[]) if known is not None else await find_relation(question, story, ask)

    # 3. Put it into words.
    taxonomy = await find_taxonomy(question.taxonomy, lambda: parts.reasoning.taxonomies(request_id))
    _check_label(told.relation, taxonomy, leave_out_sensitive=question.leave_out_sensitive)
    text = await run_in_threadpool(write_script, story, told.relation, taxonomy)
    warnings = (seen.warnings if seen else []) + told.warnings
    return ScriptView(script=text, story=story, relation=told.relation, warnings=warnings)


@router.post(
    "",
    status_code=202,
    summary="Let a portrait tell a photo",
    responses=problems(*_ABOUT, *FILM_PROBLEMS) | {202: {"description": "accepted; Location is the job"}},
)
async def narrate(
    parts: PartsDep,
    mine: Mine,
    prompts: MyPrompts,
    caller: CallerDep,
    request_id: RequestId,
    *,
    response: Response,
    photo: PhotoField = None,
    photo_id: PhotoIdField = None,
    about: AboutFields,
    script: Annotated[
        str | None, Form(description="or the words themselves, as `/v1/narrations/scripts` wrote them or mended")
    ] = None,
    portrait: Annotated[
        UploadFile | None, File(description="who tells it: a picture with a face, or a video that is voiced anew")
    ] = None,
    portrait_id: Annotated[str | None, Form(max_length=32, description="or the id of an uploaded file")] = None,
    consent: ConsentField = None,
    manner: MannerFields,
    expires_in_s: ExpiresInField = None,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """A job that looks at the photo, asks how its people relate, writes a script and makes the portrait speak it.

    Its stages are perception, reasoning, script and those of a video; its `output` holds the `script`, the `pair`, the
    `label` and its `probability` (null where the model abstained) beside what is told of a video. Options, consent,
    progress, stream and provenance are those of `POST /v1/videos`; captions are in the file and at the job's
    `captions`. A photo is erased as soon as it has been looked at, the story when the job succeeds; where it fails or
    is canceled, the story stays with the job until that is erased or expires, so that it can be made again.

    `curl -F photo=@photo.jpg -F portrait=@portrait.jpg -F 'consent={"subject": "Ann Lee", "basis": "self",
    "given_on": "2026-11-01"}' http://127.0.0.1:8000/v1/narrations`
    """
    given = read_consent(consent)
    _one_of(photo=photo, photo_id=photo_id, story=about.story, script=script)
    _one_of(portrait=portrait, portrait_id=portrait_id)
    check_text(parts, script, "script")
    options = manner.options()
    question = await about.question(prompts)
    content = None if photo is None and photo_id is None else await _photo(parts, mine, photo, photo_id)
    async with Incoming(parts, mine) as incoming:
        face = await incoming.file(portrait, portrait_id, PORTRAIT, has_face)
        told = {"photo": content, "story": about.story, "text": script}
        wanted = NarrationInput(
            portrait=face.id,
            text=script,
            photo=photo_id,
            pair=question.pair,
            taxonomy=question.taxonomy_name,
            segment_frames=parts.settings.segment_frames,
            label=parts.settings.visible_label,
            sources={PORTRAIT: face.sha256} | {name: _hash(what) for name, what in told.items() if what is not None},
            **options,
        )
        early = EarlyCheck(parts, wanted, request_id)
        if script is None:
            early = EarlySight(parts, wanted, request_id, question=question, photo=content)
        job_id = new_id()
        new = NewJob(
            id=job_id,
            kind=NARRATION,
            input=wanted.model_dump(),
            fingerprint=fingerprint(wanted, given, kind=NARRATION, question=question.model_dump(mode="json")),
            files=incoming.files(job_id),
            uses=tuple(filter(None, (wanted.portrait, wanted.photo))),
            idempotency_key=idempotency_key,
            retention_s=expires_in_s,
            audit={"key": caller.key_id, "consent": given.model_dump(mode="json"), "inputs": wanted.sources},
        )
        job = await accept(parts, mine, new, incoming, early)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job_view(job)


def _one_of(**given: Any) -> None:
    """Raises ``invalid_request`` unless exactly one was given."""
    if sum(value is not None for value in given.values()) != 1:
        number = "one of the two" if len(given) == 2 else f"exactly one of these {len(given)}"
        raise ProblemError("invalid_request", f"{', '.join(given)}: give {number}", param=next(iter(given)))


async def _photo(parts: Parts, mine: OwnerStore, upload: UploadFile | None, file_id: str | None) -> bytes:
    """Raises ``not_found``, or ``unsupported_media`` where it is no picture."""
    if upload is not None:
        return await read_photo(upload)
    file = await run_in_threadpool(mine.file, str(file_id))
    if not is_image(file.media_type):
        raise ProblemError("unsupported_media", f"photo: {file.media_type} is of the wrong kind", param="photo")
    with not_erased("photo"):
        return await run_in_threadpool(parts.storage.read, file.id)


def _known(text: str) -> Relation:
    try:
        relation = Relation.model_validate(json_field("relation", text))
    except ValidationError as error:
        fault = validation_problem(error.errors())
        raise ProblemError("invalid_request", f"relation.{fault.detail}", param="relation") from None
    probability = relation.probabilities.get(relation.label)
    if probability is None or not 0 <= probability <= 1:
        rule = f"the probability of {relation.label!r} is {probability}, it must be 0 to 1"
        raise ProblemError("invalid_request", f"relation: {rule}", param="relation")
    if relation.roles is not None and sorted(relation.roles.people.values()) != sorted(relation.pair):
        raise ProblemError("invalid_request", "relation: its roles are not those of its pair", param="relation")
    return relation


def _check_label(relation: Relation, taxonomy: Taxonomy, *, leave_out_sensitive: bool) -> None:
    """A relation that the caller brought may be of another taxonomy, or one that was not to be told."""
    names = [label.name for label in taxonomy.labels if not (leave_out_sensitive and label.sensitive)]
    if relation.label not in names:
        raise ProblemError(
            "invalid_request", f"relation: {relation.label!r} is not one of {', '.join(names)}", param="relation"
        )


def _hash(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
