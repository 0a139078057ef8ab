"""/v1/prompts: versions of the reasoning prompt, and which one answers."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from gateway.api.answers import Answering, BuiltinTaxonomy, NewPrompt, PromptList, PromptView
from gateway.api.parts import MyPrompts, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.jobs.records import new_id
from gateway.store.prompts import PromptRecord, PromptStore, record_of
from services.common.errors import ProblemError
from services.reasoning.schemas import ChosenPrompt, FittedCalibration, ShippedPrompt

router = APIRouter(prefix="/v1/prompts", tags=["prompts"])

SHIPPED: Final = "shipped"
"""In place of an id: the prompt that ships."""


@router.get("", summary="List prompts", responses=problems())
async def list_prompts(
    prompts: MyPrompts, taxonomy: Annotated[BuiltinTaxonomy | None, Query(description="of this one alone")] = None
) -> PromptList:
    """The caller's prompts with their content hash, model, parent and figures."""
    found = await run_in_threadpool(prompts.prompts, taxonomy)
    active = {name: await run_in_threadpool(prompts.active, name) for name in {prompt.taxonomy for prompt in found}}
    return PromptList(prompts=[_view(prompt, active[prompt.taxonomy]) for prompt in found])


@router.get("/shipped", summary="The prompts that ship", responses=problems("service_unavailable"))
async def shipped(parts: PartsDep, request_id: RequestId) -> list[ShippedPrompt]:
    """One for each built-in taxonomy: what answers where no other is active, and what a version can start from."""
    return await parts.reasoning.prompts(request_id)


@router.post("", status_code=201, summary="Store a prompt", responses=problems())
async def create(new: NewPrompt, prompts: MyPrompts, parts: PartsDep, request_id: RequestId) -> PromptView:
    """Store a version; it answers nothing until it is activated."""
    (taxonomy,) = [found for found in await parts.reasoning.taxonomies(request_id) if found.name == new.taxonomy]
    lost = [label.name for label in taxonomy.labels if label.name not in new.context]
    if lost:
        raise ProblemError("invalid_request", f"context: it does not name {', '.join(lost)}", param="context")
    record = record_of(
        new_id(),
        new.taxonomy,
        ChosenPrompt.model_validate(new.model_dump()),
        parent=new.parent,
        model=new.model,
        figures=new.figures,
    )
    return _view(await run_in_threadpool(prompts.add, record), None)


@router.get("/{prompt_id}", summary="A prompt", responses=problems("not_found"))
async def get(prompt_id: str, prompts: MyPrompts) -> PromptView:
    """A version with its four texts, where it comes from and what it was worth."""
    prompt = await run_in_threadpool(prompts.prompt, prompt_id)
    return _view(prompt, await run_in_threadpool(prompts.active, prompt.taxonomy))


@router.post("/{prompt_id}/activate", summary="Let a prompt answer", responses=problems("not_found"))
async def activate(prompt_id: str, prompts: MyPrompts) -> PromptView:
    """From now on `/v1/relations` asks with this prompt for its taxonomy."""
    prompt = await run_in_threadpool(prompts.activate, prompt_id)
    return _view(prompt, prompt)


@router.post("/rollback", summary="Undo the last activation", responses=problems("not_found"))
async def roll_back(
    prompts: MyPrompts, taxonomy: Annotated[BuiltinTaxonomy, Query(description="of which taxonomy")]
) -> Answering:
    """The prompt that answered before answers again; below the first one is the prompt that ships."""
    now = await run_in_threadpool(prompts.roll_back, taxonomy)
    return Answering(taxonomy=taxonomy, prompt=None if now is None else _view(now, now))


@router.delete("/{prompt_id}", status_code=204, summary="Erase a prompt", responses=problems("not_found"))
async def erase(prompt_id: str, prompts: MyPrompts) -> None:
    """Erase a prompt; where it answered, the one before it answers again."""
    await run_in_threadpool(prompts.delete, prompt_id)


async def wanted_prompt(prompts: PromptStore, wanted: str | None, taxonomy: object) -> ChosenPrompt | None:
    """What a question is asked with: the prompt with the id ``wanted``, else the active one. None: the one that ships.

    Raises ``not_found``, or ``invalid_request`` where it was written for other labels than those of ``taxonomy``.
    """
    if wanted is None:
        return await active_prompt(prompts, taxonomy)
    if not isinstance(taxonomy, str):
        raise ProblemError(
            "invalid_request",
            f"prompt: {wanted!r} cannot ask about labels of your own, whose words are their definitions; leave it out",
            param="prompt",
        )
    if wanted == SHIPPED:
        return None
    try:
        found = await run_in_threadpool(prompts.prompt, wanted)
    except ProblemError as error:
        raise ProblemError(error.code, error.detail, param="prompt") from None
    if found.taxonomy != taxonomy:
        rule = f"{wanted!r} is one of {found.taxonomy}; the taxonomy that is asked about is {taxonomy}"
        raise ProblemError("invalid_request", f"prompt: {rule}", param="prompt")
    return found.chosen()


async def active_prompt(prompts: PromptStore, taxonomy: object) -> ChosenPrompt | None:
    """The caller's active prompt of a built-in taxonomy."""
    if not isinstance(taxonomy, str):
        return None
    found = await run_in_threadpool(prompts.active, taxonomy)
    return None if found is None else found.chosen()


def _view(prompt: PromptRecord, active: PromptRecord | None) -> PromptView:
    return PromptView(
        id=prompt.id,
        taxonomy=prompt.taxonomy,
        name=prompt.name,
        hash=prompt.hash,
        parent=prompt.parent,
        model=prompt.model,
        figures=prompt.figures,
        calibration=prompt.calibration and FittedCalibration.model_validate(prompt.calibration),
        created_at=datetime.fromtimestamp(prompt.created_at, UTC),
        active=active is not None and active.id == prompt.id,
        **prompt.segments,
    )
