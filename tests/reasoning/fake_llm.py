"""A language model without weights, beside the real one: it weighs cue words and has the real ones' bad habits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.reasoning.calibration import log_softmax
from services.reasoning.llm import ChatFrame, Control, LogProbs
from services.reasoning.taxonomy import builtin_taxonomies

_LISTED = "Options: "
FRAME = ChatFrame(Control("[system]"), Control("[user]"), Control("[answer]"))


@dataclass(frozen=True)
class FakePrefix:
    pieces: tuple[str, ...]
    piece_ends: tuple[int, ...]
    hidden: tuple[int, int] = (0, 0)

    @property
    def visible(self) -> str:
        starts = (0, *self.piece_ends[:-1])
        begin, end = self.hidden
        spans = zip(starts, self.piece_ends, self.pieces, strict=True)
        return " ".join(piece for start, stop, piece in spans if not begin <= start < stop <= end)


@dataclass
class FakeModel:
    """``cues``: word -> label; ``favourite`` is preferred whatever the story says; so is who is named first."""

    cues: dict[str, str] = field(default_factory=dict)
    favourite: str = ""
    first_named_bonus: dict[str, str] = field(default_factory=dict)
    reply: str = "They do it together, as <P1> and <P2> show. Relation of <P1> and <P3>: none."
    name: str = "fake@0"
    chat_frame: ChatFrame = FRAME
    on_step: Callable[[], None] = lambda: None
    reads: list[str] = field(default_factory=list)
    alive: list[FakePrefix] = field(default_factory=list)
    tokens_read: int = 0
    label_method: str | None = None
    prefix_room: int = 10_000

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def read(
        self, pieces: Sequence[str | Control], after: FakePrefix | None = None, *, keep: bool = False
    ) -> FakePrefix:
        self.on_step()
        texts = [piece.text if isinstance(piece, Control) else piece for piece in pieces]
        self.reads += texts
        self.tokens_read += sum(self.count_tokens(text) for text in texts)
        start = after.piece_ends[-1] if after else 0
        ends = start + np.cumsum([self.count_tokens(text) for text in texts])
        prefix = FakePrefix(tuple(texts), tuple(int(end) for end in ends))
        if after and texts[-1].startswith(_LISTED):  # the list of labels goes with its story
            prefix = FakePrefix(after.pieces + prefix.pieces, after.piece_ends + prefix.piece_ends, after.hidden)
        self.alive.append(prefix)
        return prefix

    def hide(self, prefix: FakePrefix, begin: int, end: int) -> FakePrefix:
        copy = FakePrefix(prefix.pieces, prefix.piece_ends, (begin, end))
        self.alive.append(copy)
        return copy

    def release(self, prefix: FakePrefix) -> None:
        self.alive.remove(prefix)

    def label_logprobs(self, prefix: FakePrefix, questions: Sequence[str], labels: Sequence[str]) -> LogProbs:
        self.on_step()
        meant = self._meant(prefix, labels)
        return np.array([self._scores(prefix.visible, question, meant) for question in questions])

    def _meant(self, prefix: FakePrefix, answers: Sequence[str]) -> list[set[str]]:
        """Labels that each answer may stand for: letters by the list read last, phrases by the built-in taxonomies."""
        last = prefix.pieces[-1]
        if last.startswith(_LISTED):
            listed = dict(item.split(" ", 1) for item in last.removeprefix(_LISTED).removesuffix(".").split(", "))
            return [{listed[answer]} for answer in answers]
        labels = [label for taxonomy in builtin_taxonomies().values() for label in taxonomy.labels]
        return [{answer} | {label.name for label in labels if answer in label.phrases} for answer in answers]

    def _scores(self, story: str, question: str, meant: Sequence[set[str]]) -> LogProbs:
        first_named = question.partition("<")[2].partition(">")[0]
        weights = {self.favourite: 3.0} if self.favourite else {}
        if first_named in self.first_named_bonus:
            liked = self.first_named_bonus[first_named]
            weights[liked] = weights.get(liked, 0.0) + 2.0
        for word, label in self.cues.items():
            weights[label] = weights.get(label, 0.0) + story.count(word)
        return log_softmax(np.array([sum(weights.get(label, 0.0) for label in labels) for labels in meant]))

    def generate(
        self, prefix: FakePrefix, beginnings: Sequence[str], max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> list[str]:
        texts = []
        for _ in beginnings:
            words, text = self.reply.split(), ""
            while words and not is_complete(text) and len(text.split()) < max_new_tokens:
                text = f"{text} {words.pop(0)}"
            texts.append(text)
        return texts
