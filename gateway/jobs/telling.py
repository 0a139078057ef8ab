"""Annotated photos told as labelled stories by the perception service; each is kept as soon as it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from gateway.jobs.patience import patiently
from gateway.jobs.workspace import kept_lines
from services.common.annotations import AnnotatedPhoto
from services.common.errors import ProblemError
from services.perception.client import PerceptionClient
from services.perception.schemas import StoryOptions
from services.reasoning.schemas import LabelledStory

_TOLD: Final = "told.jsonl"
_NAMED: Final = 5
"""Photos that could not be told of are named in a warning, up to so many."""


class ToldPhoto(BaseModel):
    """``lost``: pairs whose people were not seen as two; ``refused``: why the photo has no stories."""

    image: str
    stories: list[LabelledStory]
    lost: int = 0
    refused: str | None = None


class Telling:
    """The photos of one job in its ``folder``. ``files``: image -> where it is stored."""

    def __init__(self, folder: Path, photos: Sequence[AnnotatedPhoto], files: dict[str, Path]) -> None:
        self._path, self._photos, self._files = folder / _TOLD, photos, files
        self.told = [ToldPhoto.model_validate(line) for line in kept_lines(self._path)]

    async def photos(self, service: PerceptionClient, patience_s: float) -> AsyncIterator[ToldPhoto]:
        """Tell those that are not told yet, one after the other. Raises what is not the fault of a photo."""
        for photo in self._photos[len(self.told) :]:
            told = await self._tell(photo, service, patience_s)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{told.model_dump_json()}\n")
            self.told.append(told)
            yield told

    async def _tell(self, photo: AnnotatedPhoto, service: PerceptionClient, patience_s: float) -> ToldPhoto:
        path = self._files[photo.image]
        if not path.is_file():
            raise ProblemError("not_found", f"photos.{photo.image}: the file was erased", param="photos")
        look = partial(service.story, await asyncio.to_thread(path.read_bytes), StoryOptions(boxes=photo.boxes))
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
