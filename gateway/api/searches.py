"""/v1/prompt-searches and /v1/evaluations: labelled stories, or annotated photos -> a job."""

import hashlib
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from gateway.api.accept import submit
from gateway.api.answers import NewEvaluation
from gateway.api.parts import IdempotencyKey, Mine, MyPrompts, Parts, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.api.prompts import active_prompt
from gateway.api.schemas import JobView, job_view
from gateway.jobs.inputs import EVALUATION, PROMPT_SEARCH, EvaluationInput, StoriesInput
from gateway.jobs.records import NewJob, new_id
from gateway.jobs.workspace import QUESTION
from gateway.media import is_image
from gateway.store.owners import OwnerStore
from gateway.taxonomy import labels_by_number
from services.common.annotations import read_annotations
from services.common.errors import ProblemError
from services.common.labelled import check_labelled
from services.reasoning.schemas import (
    FEWEST_OF_A_LABEL,
    MAX_STORIES,
    LabelledStory,
    SearchEstimate,
    SearchQuestion,
    Taxonomy,
    TaxonomyChoice,
)

router = APIRouter(prefix="/v1", tags=["prompts"])
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "accepted; Location is the job"}}


class NewSearch(SearchQuestion):
    """The JSON body of ``POST /v1/prompt-searches``."""

    model_config = ConfigDict(extra="forbid")


@router.post(
    "/prompt-searches",
    status_code=202,
    summary="Search a better prompt",
    responses=problems("taxonomy_invalid", "idempotency_mismatch", "overloaded", "service_unavailable") | _ACCEPTED,
)
async def search(
    new: NewSearch,
    parts: PartsDep,
    mine: Mine,
    request_id: RequestId,
    *,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """A job that tunes the prompt's segments on labelled stories (Greedy Segment Prompt Optimization).

    What it will cost at most stands in the job's `input`. Its `stage` tells the current and the best loss, its result
    is the report, and its `output` names the prompt that it found: `POST /v1/prompts/{prompt_id}/activate` lets it
    answer. A worker that dies loses nothing. The stories are erased when it succeeds; where it fails or is canceled,
    they stay with the job until that is erased or expires, so that it can be made again, from its beginning.
    """
    question = SearchQuestion(**dict(new))
    estimate = await parts.reasoning.estimate_search(question, request_id)
    options = question.options.model_dump(exclude_none=True) | {"estimate": estimate.model_dump(exclude_none=True)}
    told = _told(question.stories, question.taxonomy, options)
    job = await _submit(parts, mine, PROMPT_SEARCH, question=question, told=told, key=idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


@router.post(
    "/prompt-searches/estimate",
    summary="What a search would cost",
    responses=problems("taxonomy_invalid", "service_unavailable"),
)
async def estimate(new: NewSearch, parts: PartsDep, request_id: RequestId) -> SearchEstimate:
    """Checks a search without making a job of it: tokens at most, and money where a price is given."""
    return await parts.reasoning.estimate_search(SearchQuestion(**dict(new)), request_id)


@router.post(
    "/evaluations",
    status_code=202,
    summary="Judge the prompt that answers",
    responses=problems("taxonomy_invalid", "idempotency_mismatch", "unsupported_media") | _ACCEPTED,
)
async def evaluate(
    new: NewEvaluation,
    parts: PartsDep,
    mine: Mine,
    prompts: MyPrompts,
    *,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """A job that judges labelled stories, or annotated photos, with the active prompt and its calibration.

    Of photos each is told once, with the annotated boxes, as a story for all its pairs; one that cannot be told, and
    pairs whose people were not seen as two, are left out and named in the job's `warnings`. The photos stay until they
    expire, and cannot be erased while the job needs them. The result is JSON: accuracy with interval, macro F1, per
    class, confusion, negative log-likelihood and calibration error.
    """
    prompt = await active_prompt(prompts, new.taxonomy)
    photos = await run_in_threadpool(_checked, new, mine)
    told = _told_evaluation(new, photos).model_copy(update={"prompt": prompt and prompt.name})
    question = EvaluationInput(
        stories=new.stories,
        annotations=new.annotations,
        photos=photos,
        taxonomy=new.taxonomy,
        prompt=prompt,
        stories_sha256=told.stories_sha256,
    )
    uses = tuple(dict.fromkeys(photos.values()))
    job = await _submit(parts, mine, EVALUATION, question=question, told=told, key=idempotency_key, uses=uses)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


def _checked(new: NewEvaluation, mine: OwnerStore) -> dict[str, str]:
    """Check stories or annotations; image -> file of those that annotations name.

    Raises ``invalid_request``, ``unsupported_media``.
    """
    if (new.stories is None) == (new.annotations is None):
        raise _wrong("stories, annotations: give one of the two", "stories")
    labels = labels_by_number(new.taxonomy)
    if new.annotations is None:
        if new.photos is not None:
            raise _wrong("photos: they need annotations, which name their people and labels", "photos")
        check_labelled(new.stories or [], labels, FEWEST_OF_A_LABEL)
        return {}
    listed = read_annotations(new.annotations, "annotations", labels)
    pairs, fewest = sum(len(photo.pairs) for photo in listed), FEWEST_OF_A_LABEL * len(labels)
    if not fewest <= pairs <= MAX_STORIES:
        rule = f"{len(labels)} labels need at least {fewest}, and {MAX_STORIES} fit into a job"
        raise _wrong(f"annotations: there are {pairs} pairs; {rule}", "annotations")
    given = new.photos or {}
    files = {}
    for photo in listed:
        if photo.image not in given:
            raise _wrong(f"photos: {photo.image!r} of the annotations is not among them", "photos")
        try:
            file = mine.file(given[photo.image])
        except ProblemError as error:
            raise _wrong(f"photos.{photo.image}: {error.detail}", f"photos.{photo.image}") from None
        if not is_image(file.media_type):
            raise ProblemError(
                "unsupported_media",
                f"photos.{photo.image}: {file.media_type} is of the wrong kind; it must be a picture",
                param=f"photos.{photo.image}",
            )
        files[photo.image] = file.id
    return files


def _told_evaluation(new: NewEvaluation, photos: dict[str, str]) -> StoriesInput:
    if new.stories is not None:
        return _told(new.stories, new.taxonomy)
    text = new.annotations or ""
    return StoriesInput(
        taxonomy=_name(new.taxonomy),
        stories=sum(1 for line in text.splitlines() if line.strip()),
        photos=len(photos),
        stories_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _told(
    stories: Sequence[LabelledStory], taxonomy: TaxonomyChoice, options: dict[str, Any] | None = None
) -> StoriesInput:
    lines = "".join(f"{story.model_dump_json()}\n" for story in stories)
    return StoriesInput(
        taxonomy=_name(taxonomy),
        stories=len(stories),
        stories_sha256=hashlib.sha256(lines.encode()).hexdigest(),
        options=options or {},
    )


def _name(taxonomy: TaxonomyChoice) -> str:
    return taxonomy.name if isinstance(taxonomy, Taxonomy) else taxonomy


def _wrong(rule: str, param: str) -> ProblemError:
    return ProblemError("invalid_request", rule, param=param)


async def _submit(
    parts: Parts,
    mine: OwnerStore,
    kind: str,
    *,
    question: BaseModel,
    told: StoriesInput,
    key: str | None,
    uses: tuple[str, ...] = (),
) -> JobView:
    """Keep the question in the job's workspace and store the job."""
    body = question.model_dump_json().encode()
    new = NewJob(
        id=new_id(),
        kind=kind,
        input=told.model_dump(),
        fingerprint=hashlib.sha256(kind.encode() + body).hexdigest(),
        uses=uses,
        idempotency_key=key,
    )
    job, _ = await submit(parts, mine, new, lambda kept: kept.write(QUESTION, body))
    return job_view(job)
