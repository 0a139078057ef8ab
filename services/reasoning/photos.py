"""Annotated photos told as labelled stories by a running perception service: for the command line alone.

The service itself knows no other one; behind its HTTP port the gateway brings the stories.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel

from services.common.annotations import AnnotatedPhoto, Box
from services.common.client import ServiceClient
from services.common.errors import ProblemError
from services.reasoning.schemas import LabelledStory


class _Person(BaseModel):
    symbol: str
    box: Box


class _Told(BaseModel):
    """What is read of the perception service's answer."""

    people: list[_Person]
    story: str


class _Perception(ServiceClient):
    name = "perception"

    async def story(self, photo: bytes, boxes: Sequence[Box]) -> _Told:
        form = {"options": json.dumps({"boxes": boxes})}
        answer = await self._post("/v1/stories", "", form, {"photo": photo})
        return _Told.model_validate_json(answer.content)


def tell_photos(
    photos: Sequence[AnnotatedPhoto], folder: Path, url: str, tell: Callable[[str], None]
) -> list[LabelledStory]:
    """A story for each annotated pair. ``url``: of the perception service; ``tell`` hears what is left out.

    Raises what is not the fault of a photo (``service_unavailable``, ...), and ``invalid_request`` where none is told.
    """
    return asyncio.run(_tell(photos, folder, url, tell))


async def _tell(
    photos: Sequence[AnnotatedPhoto], folder: Path, url: str, tell: Callable[[str], None]
) -> list[LabelledStory]:
    service, stories = _Perception(url), list[LabelledStory]()
    try:
        for photo in photos:
            path = folder / photo.image
            if not path.is_file():
                tell(f"{path}: left out: there is no such file")
                continue
            try:
                told = await service.story(path.read_bytes(), photo.boxes)
            except ProblemError as error:
                if error.kind.retryable or error.kind.status >= 500:
                    raise
                tell(f"{path}: left out: {error.detail}")
                continue
            pairs = photo.seen({person.symbol: person.box for person in told.people})
            if len(pairs) < len(photo.pairs):
                tell(f"{path}: {len(photo.pairs) - len(pairs)} pairs are left out: their people were not seen as two")
            stories += [LabelledStory(story=told.story, **asdict(pair)) for pair in pairs]
    finally:
        await service.close()
    if not stories:
        raise ProblemError("invalid_request", f"photos: none of those in {folder} can be told", param="photos")
    return stories
