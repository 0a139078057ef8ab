"""All pairs of a group together: the labels that are likeliest by the pairs themselves and by the rules.

Up to six people the best labelling is found exactly, as an integer programme; beyond, by loopy max-product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_matrix

from services.reasoning.groups.rules import Pair, Rule, table, triangles

EXACT_UP_TO: Final = 6
"""People: 15 pairs, 20 triangles."""
_ROUNDS: Final = 60
_DAMPING: Final = 0.5

Method = Literal["exact", "loopy max-product"]


@dataclass(frozen=True)
class Fired:
    """A rule whose pattern stands in the joint labelling, and the three pairs in which it does."""

    rule: Rule
    pairs: tuple[Pair, Pair, Pair]


@dataclass(frozen=True)
class Joint:
    """``choice``: index of each pair's label, shape (pairs,)."""

    choice: NDArray[np.intp]
    fired: list[Fired]
    method: Method


def agree(
    pairs: Sequence[Pair], logprobs: NDArray[np.float64], labels: Sequence[str], rules: Sequence[Rule]
) -> Joint | None:
    """The likeliest labels of all pairs together; None where nothing joins them.

    ``logprobs``: each pair's own log-probabilities, shape (pairs, labels). Rules that name a label that is not among
    ``labels`` do not count.
    """
    known = [
        rule.model_copy(update={"third": tuple(label for label in rule.third if label in labels)})
        for rule in rules
        if set(rule.two) <= set(labels) and set(rule.third) & set(labels)
    ]
    sides = triangles(pairs)
    if not known or not sides:
        return None
    people = {symbol for pair in pairs for symbol in pair}
    # A pair stands in a triangle with each of the others, and these mostly say the same: their mean counts.
    weights = table(known, labels) / (len(people) - 2)
    method: Method = "exact" if len(people) <= EXACT_UP_TO else "loopy max-product"
    choice = (exact if method == "exact" else max_product)(logprobs, sides, weights)
    fired = [
        Fired(rule, (pairs[a], pairs[b], pairs[c]))
        for a, b, c in sides
        for rule in known
        if rule.matches((labels[choice[a]], labels[choice[b]], labels[choice[c]]))
    ]
    return Joint(choice, fired, method)


def score(
    choice: NDArray[np.intp],
    logprobs: NDArray[np.float64],
    sides: Sequence[tuple[int, int, int]],
    weights: NDArray[np.float64],
) -> float:
    """Log-score of a labelling: its pairs' own and what ``weights`` (``rules.table``) adds for each triangle."""
    own = logprobs[np.arange(len(choice)), choice].sum()
    return float(own + sum(weights[choice[a], choice[b], choice[c]] for a, b, c in sides))


# -- exact ---------------------------------------------------------------------------------------------------------


class _Programme:
    """Variables and rows of an integer programme, gathered one by one."""

    def __init__(self) -> None:
        self.gain: list[float] = []
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def variable(self, gain: float) -> int:
        self.gain.append(gain)
        return len(self.gain) - 1

    def bound(self, terms: dict[int, float], low: float, high: float) -> None:
        self.rows.append((terms, low, high))

    def solve(self, n_binary: int) -> NDArray[np.float64]:
        """The best values; only the first ``n_binary`` variables have to be whole, the others follow from them."""
        places = [
            (row, column, value) for row, (terms, _, _) in enumerate(self.rows) for column, value in terms.items()
        ]
        row, column, value = zip(*places, strict=True)
        matrix = coo_matrix((value, (row, column)), shape=(len(self.rows), len(self.gain)))
        low, high = (np.array([found[side] for found in self.rows]) for side in (1, 2))
        whole = (np.arange(len(self.gain)) < n_binary).astype(int)
        answer = milp(
            -np.array(self.gain),
            integrality=whole,
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix.tocsr(), low, high),
        )
        if answer.x is None:
            raise RuntimeError(f"the joint labelling could not be found: {answer.message}")
        return np.asarray(answer.x)


def exact(
    logprobs: NDArray[np.float64], sides: Sequence[tuple[int, int, int]], weights: NDArray[np.float64]
) -> NDArray[np.intp]:
    """The labelling with the highest ``score``, by branch and cut (HiGHS)."""
    n_pairs, n_labels = logprobs.shape
    programme = _Programme()
    has = [[programme.variable(float(gain)) for gain in row] for row in logprobs]  # pair -> label -> variable
    for row in has:
        programme.bound(dict.fromkeys(row, 1.0), 1, 1)
    for side in sides:
        _add_triangle(programme, [has[pair] for pair in side], weights)
    values = programme.solve(n_pairs * n_labels)[: n_pairs * n_labels]
    return np.asarray(values.reshape(n_pairs, n_labels).argmax(axis=1))


def _add_triangle(programme: _Programme, has: list[list[int]], weights: NDArray[np.float64]) -> None:
    """A variable for each three labels that weigh something: 1 where they stand."""
    standing: dict[int, list[int]] = {}  # a pair's label -> the rewarded threes that it is part of
    for labels in zip(*weights.nonzero(), strict=True):
        stands = programme.variable(float(weights[labels]))
        parts = [has[place][label] for place, label in enumerate(labels)]
        if weights[labels] < 0:  # it would rather be 0: all three together force it up
            programme.bound({stands: -1.0} | dict.fromkeys(parts, 1.0), -np.inf, 2)
        else:
            for part in parts:
                standing.setdefault(part, []).append(stands)
    # They would rather be 1. Of all that share a pair's label one can stand, and only with that label: bounding their
    # sum instead of each keeps the relaxation tight, and the search short.
    for part, threes in standing.items():
        programme.bound(dict.fromkeys(threes, 1.0) | {part: -1.0}, -np.inf, 0)


# -- loopy max-product ---------------------------------------------------------------------------------------------


def max_product(
    logprobs: NDArray[np.float64], sides: Sequence[tuple[int, int, int]], weights: NDArray[np.float64]
) -> NDArray[np.intp]:
    """A good labelling where there are too many people for the best one: messages from triangles to pairs, damped.

    The labelling with the highest score of all rounds, the pairs' own likeliest labels among them.
    """
    index = np.array(sides)  # (triangles, 3)
    messages = np.zeros((len(sides), 3, logprobs.shape[1]))
    best = logprobs.argmax(axis=1)
    highest = score(best, logprobs, sides, weights)
    for _ in range(_ROUNDS):
        beliefs = logprobs.copy()
        np.add.at(beliefs, index.ravel(), messages.reshape(-1, logprobs.shape[1]))
        choice = beliefs.argmax(axis=1)
        found = score(choice, logprobs, sides, weights)
        if found > highest:
            best, highest = choice, found
        incoming = beliefs[index] - messages  # (triangles, 3, labels): what each pair says without this triangle
        x, y, z = incoming[:, 0, :, None, None], incoming[:, 1, None, :, None], incoming[:, 2, None, None, :]
        outgoing = np.stack(
            [
                (weights + y + z).max(axis=(2, 3)),
                (weights + x + z).max(axis=(1, 3)),
                (weights + x + y).max(axis=(1, 2)),
            ],
            axis=1,
        )
        outgoing -= outgoing.max(axis=2, keepdims=True)
        messages = _DAMPING * messages + (1 - _DAMPING) * outgoing
    return np.asarray(best)
