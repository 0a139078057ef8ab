"""May the search move? Only when the change helps on the same stories by more than chance would."""

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

_EXACT_UP_TO: Final = 14
_SAMPLES: Final = 20_000


def paired_p_value(differences: NDArray[np.float64]) -> float:
    """One-sided p-value of "the mean is below zero", by Fisher's sign-flip permutation test.

    ``differences``: (stories,), loss with the candidate minus loss with the current prompt. Exact for up to 14
    stories, else by 20,000 seeded draws.
    """
    n = len(differences)
    if n <= _EXACT_UP_TO:
        signs = np.array(list(product((1.0, -1.0), repeat=n)))
        return float((signs @ differences <= differences.sum() + 1e-12).mean())
    signs = np.random.default_rng(n).choice((1.0, -1.0), size=(_SAMPLES, n))
    return float(((signs @ differences <= differences.sum() + 1e-12).sum() + 1) / (_SAMPLES + 1))
