"""Callers that ask at the same time share the model's batches.

While one group is answered the next callers queue up; whoever is first in turn then takes along all that ask the same
questions. Nobody waits for company.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.common.onnx_model import Float
from services.perception.ask.vision_language import Check, Said, VisionLanguageModel
from services.perception.segment.masks import Pixels


@dataclass(eq=False)
class _Request:
    pictures: Sequence[Pixels]
    questions: tuple[str, ...]
    check: Check
    rows: list[list[Said]] | None = None
    error: Exception | None = field(default=None)

    def is_wanted(self) -> bool:
        """Is its caller still there?"""
        if self.error is None:
            try:
                self.check()
            except Exception as gone:  # whatever it raises is the caller's to see
                self.error = gone
        return self.error is None


class Together:
    """See ``VisionLanguageModel``; any number of threads may ask, one at a time uses the model."""

    def __init__(self, model: VisionLanguageModel) -> None:
        self._model = model
        self._turn, self._list = threading.Lock(), threading.Lock()
        self._waiting: list[_Request] = []

    @property
    def name(self) -> str:
        return self._model.name

    def ask(self, pictures: Sequence[Pixels], questions: Sequence[str], check: Check) -> list[list[Said]]:
        mine = _Request(pictures, tuple(questions), check)
        with self._list:
            self._waiting.append(mine)
        with self._turn:
            if mine.rows is None and mine.error is None:
                self._answer(self._taken(mine.questions))
        if mine.error is not None:
            raise mine.error
        return mine.rows or []

    def choose(self, picture: Pixels, questions: Sequence[str], choices: Sequence[str], check: Check) -> Float:
        with self._turn:
            return self._model.choose(picture, questions, choices, check)

    def _taken(self, questions: tuple[str, ...]) -> list[_Request]:
        with self._list:
            group = [request for request in self._waiting if request.questions == questions]
            self._waiting = [request for request in self._waiting if request.questions != questions]
        return group

    def _answer(self, group: list[_Request]) -> None:
        """Stops only once nobody of the group is there any more."""

        def check() -> None:
            wanted = [request.is_wanted() for request in group]
            if not any(wanted) and group[0].error is not None:
                raise group[0].error

        try:
            pictures = [picture for request in group for picture in request.pictures]
            rows = iter(self._model.ask(pictures, group[0].questions, check))
            for request in group:
                request.rows = [next(rows) for _ in request.pictures]
        except Exception as error:  # each caller is told in its own thread
            for request in group:
                request.error = request.error or error
