"""How lips move: where, how calmly, and together with what."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LAGS_MS: Final = tuple(range(-200, 201, 20))
"""By how much the mouth may come after the sound, searched in steps of half a frame."""

MOUTH_POINTS: Final = slice(48, 68)


def landmark_distance(made: Floats, truth: Floats) -> float:
    """Mean distance of (N, P, 2) points in pixels of the 128 px face square; frames without landmarks are left out.

    With all 68 points it is F-LMD, with the mouth's 20 it is M-LMD (Chen et al., 2019). The square is the true frame's,
    so that nothing has to be aligned.
    """
    return float(np.nanmean(np.linalg.norm(made - truth, axis=-1)))


def jitter(mouths: NDArray[np.uint8]) -> float:
    """How the mouth trembles, in grey levels: what a frame (N, h, w, 3) differs from the mean of its two neighbours.

    Root mean square over pixels, colours and frames. Even motion cancels out in it; what is left of speech is the
    truth's own figure.
    """
    frames = mouths.astype(np.float32)
    if len(frames) < 3:
        return 0.0
    off = frames[1:-1] - (frames[:-2] + frames[2:]) / 2
    return float(np.sqrt(np.square(off).mean()))


def correlation(a: Floats, b: Floats) -> float | None:
    """Pearson's, of two curves (N,), without what is missing in either; None where one does not move."""
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 3 or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return None
    return float(np.corrcoef(a[known], b[known])[0, 1])


def best_correlation(opening: Floats, sound: Floats, times_s: Floats) -> tuple[float | None, int | None]:
    """Highest correlation of the opening (N,) with a curve of the sound (N,), and by how many ms the mouth is late."""
    best: tuple[float | None, int | None] = None, None
    for lag_ms in sorted(LAGS_MS, key=abs):
        found = correlation(at(opening, times_s, times_s + lag_ms / 1000), sound)
        if found is not None and (best[0] is None or found > best[0]):
            best = found, lag_ms
    return best


def at(curve: Floats, times_s: Floats, wanted_s: Floats) -> Floats:
    """The curve (N,) between its own times; missing outside them and where frames show no face."""
    known = np.isfinite(curve)
    if not known.any():
        return np.full(len(wanted_s), np.nan)
    return np.asarray(np.interp(wanted_s, times_s[known], curve[known], left=np.nan, right=np.nan))
