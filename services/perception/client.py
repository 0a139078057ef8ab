"""Calls the perception service."""

from services.common.client import ServiceClient
from services.perception.schemas import Story, StoryOptions


class PerceptionClient(ServiceClient):
    """Photo -> story."""

    name = "perception"

    async def story(self, photo: bytes, options: StoryOptions, request_id: str = "") -> Story:
        """Photo (encoded image bytes) -> people, objects, records, story."""
        response = await self._post(
            "/v1/stories", request_id, files={"photo": photo}, data={"options": options.model_dump_json()}
        )
        return Story.model_validate_json(response.content)
