"""Where labels part ways, token by token: how to score whole labels with as few model calls as can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.reasoning.llm import LogProbs

Path = tuple[int, ...]

LABEL_END: Final = "."
"""Ends every label, so that no label is the beginning of another."""


@dataclass(frozen=True)
class LabelTrie:
    """Token sequences of labels, none the beginning of another.

    ``branches``: path from the root -> the tokens that may come next, for every node with more than one.
    ``chains``: the fewest paths that pass through all branches; reading each once gives all the distributions needed.
    """

    labels: tuple[Path, ...]
    branches: dict[Path, tuple[int, ...]]
    chains: tuple[Path, ...]

    @classmethod
    def of(cls, labels: Sequence[Path]) -> "LabelTrie":
        """Build it. Raises ``ValueError`` where a label is the beginning of another, or the same."""
        children: dict[Path, set[int]] = {}
        for label in labels:
            for depth, token in enumerate(label):
                children.setdefault(label[:depth], set()).add(token)
        if len(set(labels)) != len(labels) or any(label in children for label in labels):
            raise ValueError("a label's tokens are the beginning of another label's")
        branches = {path: tuple(sorted(tokens)) for path, tokens in children.items() if len(tokens) > 1}
        chains = tuple(
            path for path in branches if not any(other != path and other[: len(path)] == path for other in branches)
        )
        return cls(tuple(labels), branches, chains)

    def score(self, next_token: dict[Path, LogProbs]) -> LogProbs:
        """Log-probability of every label, shape (labels,).

        ``next_token``: branch -> log-probabilities of all tokens there, shape (vocabulary,).
        """
        step: dict[tuple[Path, int], float] = {}
        for path, tokens in self.branches.items():
            scores = next_token[path][list(tokens)]
            scores = scores - np.logaddexp.reduce(scores)
            step |= {(path, token): float(score) for token, score in zip(tokens, scores, strict=True)}
        return np.array([sum(step[place] for place in self.choices(label)) for label in self.labels])

    def choices(self, label: Path) -> list[tuple[Path, int]]:
        """The branches that a label passes, each with the token that it takes there."""
        return [(label[:depth], token) for depth, token in enumerate(label) if label[:depth] in self.branches]
