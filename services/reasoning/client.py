"""Calls the reasoning service."""

from services.common.client import ServiceClient
from services.reasoning.schemas import RelationsRequest, RelationsResponse


class ReasoningClient(ServiceClient):
    """Story -> relations."""

    name = "reasoning"

    async def relations(self, request: RelationsRequest, request_id: str = "") -> RelationsResponse:
        """Story and pairs -> the relation of each pair."""
        response = await self._post("/v1/relations", request_id, json=request.model_dump(mode="json"))
        return RelationsResponse.model_validate_json(response.content)
