"""Sets of labels that hold the right one as often as asked (split conformal prediction, Vovk et al., 2005).

A set takes every label that is at least as probable as a threshold. The threshold comes from labelled stories that the
calibration did not see: how probable was the right label there? The promise holds for stories like those.
"""

import math
from collections.abc import Sequence

from services.reasoning.llm import LogProbs


def threshold(held_out: Sequence[float], coverage: float) -> float:
    """The smallest probability with which a label is in the set; 0, so all labels, where the stories are too few.

    ``held_out``: probability of the right label of each story; ``coverage``: how often the set has to be right.
    """
    n = len(held_out)
    rank = math.ceil((n + 1) * coverage)
    return 0.0 if rank > n else sorted(held_out)[n - rank]


def label_set(logprobs: LogProbs, labels: Sequence[str], smallest: float) -> list[str]:
    """Labels that are at least as probable as ``smallest``, likeliest first; never none. ``logprobs``: (labels,)."""
    order = sorted(range(len(labels)), key=lambda index: -logprobs[index])
    chosen = [labels[index] for index in order if math.exp(logprobs[index]) >= smallest]
    return chosen or [labels[order[0]]]
