"""Calls the reasoning service."""

from typing import Final

from pydantic import TypeAdapter

from services.common.client import ServiceClient
from services.reasoning.schemas import (
    EvaluationProgress,
    EvaluationRequest,
    FusionRequest,
    FusionResponse,
    RelationsRequest,
    RelationsResponse,
    SearchEstimate,
    SearchProgress,
    SearchQuestion,
    SearchRequest,
    ShippedPrompt,
    Taxonomy,
)

_TAXONOMIES: Final = TypeAdapter(list[Taxonomy])
_PROMPTS: Final = TypeAdapter(list[ShippedPrompt])


class ReasoningClient(ServiceClient):
    """Story -> relations."""

    name = "reasoning"

    async def relations(self, request: RelationsRequest, request_id: str = "") -> RelationsResponse:
        """Story and pairs -> the relation of each pair."""
        response = await self._ask("/v1/relations", request_id, request)
        return RelationsResponse.model_validate_json(response.content)

    async def fuse(self, sentences: list[str], request_id: str = "") -> FusionResponse:
        """A story's plain sentences told fluently."""
        request = FusionRequest(sentences=sentences)
        response = await self._ask("/v1/fusions", request_id, request)
        return FusionResponse.model_validate_json(response.content)

    async def estimate_search(self, question: SearchQuestion, request_id: str = "") -> SearchEstimate:
        """Check a search and tell what it will cost at most."""
        response = await self._ask("/v1/prompt-searches/estimate", request_id, question)
        return SearchEstimate.model_validate_json(response.content)

    async def advance_search(self, request: SearchRequest, request_id: str = "") -> SearchProgress:
        """Go on with a prompt search for ``request.slice_s`` seconds."""
        response = await self._ask("/v1/prompt-searches/advance", request_id, request)
        return SearchProgress.model_validate_json(response.content)

    async def advance_evaluation(self, request: EvaluationRequest, request_id: str = "") -> EvaluationProgress:
        """Go on with an evaluation for ``request.slice_s`` seconds."""
        response = await self._ask("/v1/evaluations/advance", request_id, request)
        return EvaluationProgress.model_validate_json(response.content)

    async def taxonomies(self, request_id: str = "") -> list[Taxonomy]:
        """The built-in taxonomies."""
        response = await self._get("/v1/taxonomies", request_id)
        return _TAXONOMIES.validate_json(response.content)

    async def prompts(self, request_id: str = "") -> list[ShippedPrompt]:
        """The prompts that ship."""
        response = await self._get("/v1/prompts", request_id)
        return _PROMPTS.validate_json(response.content)
