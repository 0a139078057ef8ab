"""Annotated photos told as labelled stories by the perception service; each is kept as soon as it is told."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import takewhile
from typing import Final

from pydantic import BaseModel

from gateway.jobs.patience import patiently
from gateway.jobs.workspace import Workspace
from services.common.annotations import AnnotatedPhoto
from services.common.errors import ProblemError
from services.perception.client import PerceptionClient
from services.perception.schemas import StoryOptions
from services.reasoning.schemas import LabelledStory

_NAMED: Final = 5
"""Photos that could not be told of are named in a warning, up to so many."""


class ToldPhoto(BaseModel):
    """``lost``: pairs whose people were not seen as two; ``refused``: why the photo has no stories."""

    image: str
    stories: list[LabelledStory]
    lost: int = 0
    refused: str | None = None


class Telling:
    """The photos of one job, each a stage of its workspace. ``read``: image -> its content, or ``not_found``."""

    def __init__(self, kept: Workspace, photos: Sequence[AnnotatedPhoto], read: Callable[[str], bytes]) -> None:
        self._kept, self._photos, self._read = kept, photos, read
        finished = kept.finished()
        stages = takewhile(finished.__contains__, map(_stage, range(len(photos))))
        self.told = [kept.report(stage, ToldPhoto) for stage in stages]

    async def photos(self, service: PerceptionClient, patience_s: float) -> AsyncIterator[ToldPhoto]:
        """Tell those that are not told yet, one after the other. Raises what is not the fault of a photo."""
        for number, photo in enumerate(self._photos[len(self.told) :], len(self.told)):
            began = time.monotonic()
            told = await self._tell(photo, service, patience_s)
            await asyncio.to_thread(self._kept.put, _stage(number), told, time.monotonic() - began)
            self.told.append(told)
            yield told

    async def _tell(self, photo: AnnotatedPhoto, service: PerceptionClient, patience_s: float) -> ToldPhoto:
        content = await asyncio.to_thread(self._read, photo.image)
        look = partial(service.story, content, StoryOptions(boxes=photo.boxes))
        try:
            seen = await patiently(service, patience_s, look)
        except ProblemError as error:
            if error.kind.retryable or error.kind.status >= 500:
                raise
            return ToldPhoto(image=photo.image, stories=[], refused=error.detail)
        pairs = photo.seen({person.symbol: person.box for person in seen.people})
        stories = [LabelledStory(story=seen.story, **asdict(pair)) for pair in pairs]
        return ToldPhoto(image=photo.image, stories=stories, lost=len(photo.pairs) - len(pairs))

    @property
    def stories(self) -> list[LabelledStory]:
        return [story for photo in self.told for story in photo.stories]

    @property
    def warnings(self) -> list[str]:
        """What the figures do not cover."""
        refused = [f"photos.{photo.image}: left out: {photo.refused}" for photo in self.told if photo.refused]
        lost = sum(photo.lost for photo in self.told)
        return [
            *refused[:_NAMED],
            *([f"photos: {len(refused) - _NAMED} more are left out"] if len(refused) > _NAMED else []),
            *([f"annotations: {lost} pairs are left out: their people were not seen as two"] if lost else []),
        ]


def _stage(number: int) -> str:
    return f"told/{number:06d}"
