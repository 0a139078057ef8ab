"""/v1/prompt-searches and /v1/evaluations: labelled stories -> a job."""

import hashlib
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from gateway.api.accept import submit
from gateway.api.parts import IdempotencyKey, Mine, MyPrompts, Parts, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.api.prompts import active_prompt
from gateway.api.schemas import JobView, job_view
from gateway.jobs.inputs import EVALUATION, PROMPT_SEARCH, StoriesInput
from gateway.jobs.records import NewJob, new_id
from gateway.jobs.workspace import QUESTION
from gateway.storage import write_whole
from gateway.store.owners import OwnerStore
from services.reasoning.schemas import EvaluationQuestion, EvaluationRequest, SearchEstimate, SearchQuestion, Taxonomy

router = APIRouter(prefix="/v1", tags=["prompts"])
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "accepted; Location is the job"}}


class NewSearch(SearchQuestion):
    """The JSON body of ``POST /v1/prompt-searches``."""

    model_config = ConfigDict(extra="forbid")


class NewEvaluation(EvaluationQuestion):
    """The JSON body of ``POST /v1/evaluations``."""

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
    answer. Canceled, it is lost; a worker that dies loses nothing. The stories are erased with the job's end.
    """
    question = SearchQuestion(**dict(new))
    estimate = await parts.reasoning.estimate_search(question, request_id)
    options = question.options.model_dump(exclude_none=True) | {"estimate": estimate.model_dump(exclude_none=True)}
    job = await _submit(
        parts, mine, PROMPT_SEARCH, question=question, told=_told(question, options=options), key=idempotency_key
    )
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
    responses=problems("taxonomy_invalid", "idempotency_mismatch") | _ACCEPTED,
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
    """A job that judges labelled stories with the active prompt and its calibration.

    Its result is JSON: accuracy with interval, macro F1, per class, confusion, negative log-likelihood and calibration
    error.
    """
    prompt = await active_prompt(prompts, new.taxonomy)
    told = _told(new)
    question = EvaluationRequest(**dict(new), prompt=prompt, stories_sha256=told.stories_sha256)
    told = told.model_copy(update={"prompt": prompt and prompt.name})
    job = await _submit(parts, mine, EVALUATION, question=question, told=told, key=idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


def _told(question: SearchQuestion | EvaluationQuestion, options: dict[str, Any] | None = None) -> StoriesInput:
    taxonomy = question.taxonomy
    lines = "".join(f"{story.model_dump_json()}\n" for story in question.stories)
    return StoriesInput(
        taxonomy=taxonomy.name if isinstance(taxonomy, Taxonomy) else taxonomy,
        stories=len(question.stories),
        stories_sha256=hashlib.sha256(lines.encode()).hexdigest(),
        options=options or {},
    )


async def _submit(
    parts: Parts, mine: OwnerStore, kind: str, *, question: BaseModel, told: StoriesInput, key: str | None
) -> JobView:
    """Keep the question in the job's folder and store the job."""
    body = question.model_dump_json().encode()
    new = NewJob(
        id=new_id(),
        kind=kind,
        input=told.model_dump(),
        fingerprint=hashlib.sha256(kind.encode() + body).hexdigest(),
        idempotency_key=key,
    )
    job, _ = await submit(parts, mine, new, lambda folder: write_whole(folder / QUESTION, body))
    return job_view(job)
