"""Scores of labelled stories under many prompts, with what prompts have in common read once."""

from collections import OrderedDict
from typing import Generic

import numpy as np

from services.reasoning.instructions import sentences_told
from services.reasoning.llm import Control, LanguageModel, LogProbs, PrefixT
from services.reasoning.prompt import story_pieces
from services.reasoning.schemas import LabelledStory, Method, Taxonomy
from services.reasoning.scoring import pair_scores
from services.reasoning.search.pools import Choice, Pools


class StoryReader(Generic[PrefixT]):
    """Keeps what it read of prompts: one that begins with the same segments as another reads on from there.

    As much is kept as the model has room for; what was not used for longest goes first.
    """

    def __init__(self, model: LanguageModel[PrefixT], pools: Pools, taxonomy: Taxonomy, method: Method) -> None:
        self._model, self._pools, self._method = model, pools, method
        self._labels = taxonomy.labels
        self._kept: OrderedDict[tuple[int, ...], PrefixT] = OrderedDict()
        """The first choices of a prompt -> what was read of it."""

    def scores(self, choice: Choice, story: LabelledStory) -> LogProbs:
        """The model's log-probabilities of the labels, shape (labels,), exactly as the service finds them."""
        prompt = self._prompt(choice)
        pieces: list[str | Control] = [
            *story_pieces(sentences_told(story.story, self._labels)[0]),
            self._model.chat_frame.before_answer,
        ]
        read = self._model.read(pieces, prompt)
        try:
            return np.asarray(pair_scores(self._model, read, [story.pair], self._labels, self._method)[0])
        finally:
            self._model.release(read)

    def _prompt(self, choice: Choice) -> PrefixT:
        frame, texts = self._model.chat_frame, self._pools.prompt(choice).pieces
        after: PrefixT | None = None
        for segment in range(len(texts)):
            begun = choice[: segment + 1]
            if begun not in self._kept:
                before = [frame.before_system] if segment == 0 else []
                behind = [frame.before_user] if segment == len(texts) - 1 else []
                pieces: list[str | Control] = [*before, texts[segment], *behind]
                self._make_room(choice, sum(self._tokens(piece) for piece in pieces))
                self._kept[begun] = self._model.read(pieces, after)
            self._kept.move_to_end(begun)
            after = self._kept[begun]
        assert after is not None  # noqa: S101 - a prompt has segments
        return after

    def _make_room(self, choice: Choice, wanted: int) -> None:
        while self._held() + wanted > self._model.prefix_room:
            begun = next((begun for begun in self._kept if self._may_go(begun, choice)), None)
            if begun is None:
                return  # what is left is this prompt itself
            self._model.release(self._kept.pop(begun))

    def _may_go(self, begun: tuple[int, ...], choice: Choice) -> bool:
        """Neither the beginning of the prompt that is being read nor of another one that is kept."""
        continued = any(len(other) > len(begun) and other[: len(begun)] == begun for other in self._kept)
        return not continued and choice[: len(begun)] != begun

    def _held(self) -> int:
        """Tokens of all that is kept, what prefixes have in common counted once."""
        return sum(
            prefix.piece_ends[-1] - (self._kept[begun[:-1]].piece_ends[-1] if len(begun) > 1 else 0)
            for begun, prefix in self._kept.items()
        )

    def _tokens(self, piece: str | Control) -> int:
        return self._model.count_tokens(piece.text if isinstance(piece, Control) else piece)

    def close(self) -> None:
        """Give the model's memory back."""
        while self._kept:
            self._model.release(self._kept.popitem()[1])
