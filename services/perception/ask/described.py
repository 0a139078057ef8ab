"""Answers of a vision-language model, laid over those of the small models: each keeps the model that gave it.

The photo, each person and each region is a picture of its own, as in SocialGPT (background blacked out, square), but
all of them go to the model together, and each is looked at once for all its questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from services.perception.ask.asker import AnswersByName, Asked, Asker, pairs
from services.perception.ask.questions import OF_FACE, OF_PERSON, OF_PHOTO, OF_THING
from services.perception.ask.spoken import doing, expression, plain, reveals, sex, wearing, years
from services.perception.ask.vision_language import Check, Said, VisionLanguageModel
from services.perception.boxes import cut
from services.perception.schemas import REGION, Answer
from services.perception.segment.masks import MaskArray, Pixels, Segmented, shrunk

REGION_PX: Final = 384
"""Side of a person's or a thing's picture."""

_MEANINGS: Final[dict[str, Callable[[str], str | None]]] = {
    "age": years, "gender": sex, "expression": expression, "action": doing, "clothing": wearing,
}  # fmt: skip
"""Questions whose words are read for a value; all others are kept as they were said."""


class DescribingAsker:
    """``small`` gives what a language model is bad at: distances, touch, gaze, who holds what."""

    def __init__(self, model: VisionLanguageModel, small: Asker) -> None:
        self._model, self._small = model, small

    def __call__(self, pixels: Pixels, segmented: Segmented, omit: Sequence[str], check: Check) -> Asked:
        found = segmented.found
        small, zoom = shrunk(pixels)
        answers = self._small(pixels, segmented, omit, check)
        bodies = [
            alone(small, person.box * zoom, mask) for person, mask in zip(found.people, segmented.people, strict=True)
        ]
        # A detector gave every other thing its name.
        regions = [
            (thing, mask) for thing, mask in zip(found.things, segmented.things, strict=False) if thing.name == REGION
        ]
        cut_out = [alone(small, np.array(thing.box, np.float32) * zoom, mask) for thing, mask in regions]
        photo = self._ask([small], OF_PHOTO, omit, check)[0]
        of_face = {name: question for name, question in OF_FACE.items() if name not in omit}
        told: dict[int, AnswersByName] = {}
        for shows_face, questions in ((True, OF_PERSON | of_face), (False, OF_PERSON)):
            places = [place for place, person in enumerate(found.people) if (person.face is not None) == shows_face]
            rows = self._ask([bodies[place] for place in places], questions, omit, check)
            told |= dict(zip(places, rows, strict=True))
        captions = self._ask(cut_out, OF_THING, omit, check)
        people = {symbol: answers.people[symbol] | told[place] for place, symbol in enumerate(found.symbols)}
        return replace(
            answers,
            scene=answers.scene | photo,
            people=people,
            pairs=pairs(found, people),
            things={thing.symbol: row for (thing, _), row in zip(regions, captions, strict=True)},
        )

    def _ask(
        self, pictures: Sequence[Pixels], questions: Mapping[str, str], omit: Sequence[str], check: Check
    ) -> list[AnswersByName]:
        """A row of answers per picture; what the words do not say, or what may not be said, is missing."""
        if not pictures:
            return []
        rows = self._model.ask(pictures, list(questions.values()), check)
        return [
            {
                name: answer
                for name, said in zip(questions, row, strict=True)
                if (answer := self._meant(name, said, omit)) is not None
            }
            for row in rows
        ]

    def _meant(self, name: str, said: Said, omit: Sequence[str]) -> Answer | None:
        value = _MEANINGS.get(name, plain)(said.text)
        if not value or reveals(value, omit):
            return None
        return Answer(value=value, score=round(min(max(said.score, 0.0), 1.0), 3), model=self._model.name)


def alone(small: Pixels, box: np.ndarray, mask: MaskArray) -> Pixels:
    """The part of the picture in ``box`` that is in ``mask`` on black, its longer side filling a square."""
    shown = np.where(mask[..., None], small, 0).astype(np.uint8) if mask.any() else small
    part, _ = cut(shown, box)
    zoom = REGION_PX / max(part.shape[:2])
    shape = max(1, round(part.shape[1] * zoom)), max(1, round(part.shape[0] * zoom))
    square = np.zeros((REGION_PX, REGION_PX, 3), np.uint8)
    top, left = (REGION_PX - shape[1]) // 2, (REGION_PX - shape[0]) // 2
    filled = cv2.resize(part, shape, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    square[top : top + shape[1], left : left + shape[0]] = filled
    return square
