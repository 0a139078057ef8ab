"""The language model as reasoning sees it: a small port, so that other runtimes can stand behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_PROMPT_TOKENS: Final = 1536
"""The four segments of a prompt."""

LogProbs = NDArray[np.float64]
Check = Callable[[], None]


@dataclass(frozen=True)
class Control:
    """Text of the chat template, in which control tokens count; plain ``str`` is never read as control tokens."""

    text: str


@dataclass(frozen=True)
class ChatFrame:
    """What the model's chat template puts around one system text and one user text."""

    before_system: Control
    before_user: Control
    before_answer: Control


class Prefix(Protocol):
    """Text that the model has read and remembers (its key-value cache); later text goes on from its end."""

    @property
    def piece_ends(self) -> tuple[int, ...]:
        """Position in tokens, from the beginning of the prompt, of the end of each piece read."""
        ...


PrefixT = TypeVar("PrefixT", bound=Prefix)


class LanguageModel(Protocol[PrefixT]):
    """A causal language model with reusable prefixes. One thread uses it."""

    on_step: Check
    """Called before each step of a second or so; raises to stop the work."""
    tokens_read: int
    """Tokens computed since the model was loaded: what work costs, whatever the machine."""

    @property
    def label_method(self) -> str | None:
        """How ``label_logprobs`` finds its numbers, where it is the model's own affair; None: token by token."""
        ...

    @property
    def prefix_room(self) -> int:
        """Tokens of prefixes that may be kept beside a story with its questions."""
        ...

    @property
    def name(self) -> str:
        """Names the model and its exact bytes, for answers and for what is fitted to it."""
        ...

    @property
    def chat_frame(self) -> ChatFrame: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` read as plain text."""
        ...

    def read(self, pieces: Sequence[str | Control], after: PrefixT | None = None, *, keep: bool = False) -> PrefixT:
        """Read the pieces one after the other behind ``after``; ``keep`` remembers the result over restarts.

        Raises ``ValueError`` where they do not fit into the model's memory.
        """
        ...

    def hide(self, prefix: PrefixT, begin: int, end: int) -> PrefixT:
        """A copy of ``prefix`` whose tokens from ``begin`` to before ``end`` later text cannot see."""
        ...

    def release(self, prefix: PrefixT) -> None:
        """Forget a prefix; others that were read behind it stay."""
        ...

    def label_logprobs(self, prefix: PrefixT, questions: Sequence[str], labels: Sequence[str]) -> LogProbs:
        """log P(label | prefix, question, the answer is one of ``labels``), shape (questions, labels).

        Each row is a distribution: at every token where labels part ways, only their tokens compete.
        """
        ...

    def generate(
        self, prefix: PrefixT, beginnings: Sequence[str], max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> list[str]:
        """The likeliest text (greedy) after the prefix and each beginning.

        Ends with the turn, when ``is_complete`` holds for the text made so far, or after ``max_new_tokens``.
        """
        ...
