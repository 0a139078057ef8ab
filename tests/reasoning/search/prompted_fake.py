"""A language model without weights that understands stories better when its prompt tells it where to look."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.reasoning.llm import Control, LogProbs
from tests.reasoning.fake_llm import FakeModel, FakePrefix
from tests.reasoning.search.stories import CUES


@dataclass
class PromptedFake(FakeModel):
    """Each cue of the story counts by how many ``helpful`` words the prompt holds; the rest is noise of each story."""

    cues: dict[str, str] = field(default_factory=lambda: {cue.split()[0]: label for label, cue in CUES.items()})
    helpful: tuple[str, ...] = ("hands", "careful")
    noise: float = 1.0

    def read(
        self, pieces: Sequence[str | Control], after: FakePrefix | None = None, *, keep: bool = False
    ) -> FakePrefix:
        own = super().read(pieces, after, keep=keep)
        if after is None or own.pieces[: len(after.pieces)] == after.pieces:
            return own
        self.alive.remove(own)
        whole = FakePrefix(after.pieces + own.pieces, after.piece_ends + own.piece_ends)
        self.alive.append(whole)
        return whole

    def _scores(self, story: str, question: str, meant: Sequence[set[str]]) -> LogProbs:
        prompt, told = story.split('Story: """')
        rng = np.random.default_rng(list((told + question).encode()))
        scores = self.noise * rng.normal(size=len(meant))
        strength = 2.0 * sum(word in prompt for word in self.helpful)
        for cue, label in self.cues.items():
            scores[[label in labels for labels in meant]] += strength * told.count(cue)
        self.tokens_read += self.count_tokens(question)
        return scores
