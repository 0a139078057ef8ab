"""Calls the perception service."""

from services.common.client import ServiceClient
from services.perception.schemas import Judgement, JudgeOptions, PhotoOptions, Story, StoryOptions


class PerceptionClient(ServiceClient):
    """Photo -> story, overlay, or a relation without a story."""

    name = "perception"

    async def story(self, photo: bytes, options: StoryOptions, request_id: str = "") -> Story:
        """Photo (encoded image bytes) -> people, objects, records, story."""
        return Story.model_validate_json(await self._seen("/v1/stories", photo, options, request_id))

    async def overlay(self, photo: bytes, options: PhotoOptions, request_id: str = "") -> bytes:
        """The photo with its people and things marked, as a PNG."""
        return await self._seen("/v1/overlays", photo, options, request_id)

    async def judgement(self, photo: bytes, options: JudgeOptions, request_id: str = "") -> Judgement:
        """The relations in the eyes of a vision-language model."""
        return Judgement.model_validate_json(await self._seen("/v1/judgements", photo, options, request_id))

    async def _seen(self, path: str, photo: bytes, options: PhotoOptions, request_id: str) -> bytes:
        form = {"options": options.model_dump_json()}
        return (await self._post(path, request_id, form, {"photo": photo})).content
