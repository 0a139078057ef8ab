"""Do the lips tell the sounds apart? Open vowels against p, b and m by the opening of the mouth.

A mouth that does not move with the sound reaches an area under the curve of about 0.5 (a little more, for the best lag
is taken); real speakers reach 0.9 to 1.
"""

from dataclasses import dataclass
from functools import cached_property
from statistics import median_low
from typing import Final, Self

import numpy as np
from hama import ASRModel
from numpy.typing import NDArray
from scipy.stats import rankdata

from services.talkinghead.evaluation.motion import LAGS_MS, at
from services.talkinghead.speech.actions import SAMPLE_RATE_HZ

Floats = NDArray[np.floating]

OPEN_VOWELS: Final = frozenset("ɑæaʌɔ")
"""First letters, so that diphthongs that begin open count, too."""
CLOSED: Final = frozenset("pbm")

_HEARD_LATE_S: Final = 0.02
"""The recogniser tells a phone this much after its middle (median over 203 phones of espeak and flite, whose times are
known: 36 ms for p, b, m and 9 ms for open vowels)."""


@dataclass(frozen=True)
class Phones:
    """Middles of the phones that count, in seconds."""

    open_s: Floats  # (V,)
    closed_s: Floats  # (P,)


class PhoneRecogniser:
    """hama's: a CTC network that writes IPA."""

    @cached_property
    def _network(self) -> ASRModel:
        return ASRModel()

    def __call__(self, samples: NDArray[np.float32]) -> Phones:
        """(S,) mono at 16 kHz."""
        heard = self._network.phoneme_spans(self._network.transcribe_waveform(samples, SAMPLE_RATE_HZ))
        middles = [(span.phoneme, span.start_ms / 1000 - _HEARD_LATE_S) for span in heard]
        return Phones(
            open_s=np.array([time for phone, time in middles if phone[0] in OPEN_VOWELS]),
            closed_s=np.array([time for phone, time in middles if phone in CLOSED]),
        )


@dataclass(frozen=True)
class Openings:
    """How far the mouth is open at the phones, for every lag of ``LAGS_MS``; in spreads of the clip's own opening, so
    that clips of different mouths can be joined."""

    open: Floats  # (L, V)
    closed: Floats  # (L, P)

    @classmethod
    def of(cls, opening: Floats, times_s: Floats, phones: Phones) -> Self:
        """``opening`` (N,) at ``times_s`` (N,)."""
        spread = np.nanstd(opening) or 1.0
        curve = (opening - np.nanmean(opening)) / spread
        return cls(
            *(
                np.stack([at(curve, times_s, phone_s + lag_ms / 1000) for lag_ms in LAGS_MS])
                for phone_s in (phones.open_s, phones.closed_s)
            )
        )

    @property
    def counts(self) -> tuple[int, int]:
        """Open vowels and p, b, m that lie within the clip."""
        now = LAGS_MS.index(0)
        return int(np.isfinite(self.open[now]).sum()), int(np.isfinite(self.closed[now]).sum())

    @classmethod
    def joined(cls, clips: list[Self]) -> Self:
        return cls(*(np.concatenate([getattr(clip, kind) for clip in clips], 1) for kind in ("open", "closed")))

    def separation(self) -> tuple[float | None, int | None]:
        """Highest area under the curve over the lags, and that lag in ms (positive: the mouth is late).

        Where few phones leave several lags equally good, their median is told. None where there is not one phone of
        each kind.
        """
        areas = [area_under_curve(*pair) for pair in zip(self.open, self.closed, strict=True)]
        known = [(area, lag_ms) for area, lag_ms in zip(areas, LAGS_MS, strict=True) if area is not None]
        if not known:
            return None, None
        best = max(area for area, _ in known)
        return best, median_low([lag_ms for area, lag_ms in known if area == best])


def area_under_curve(high: Floats, low: Floats) -> float | None:
    """Probability that one of ``high`` is above one of ``low``, ties count half: the rank sum of Mann and Whitney."""
    high, low = high[np.isfinite(high)], low[np.isfinite(low)]
    if not len(high) or not len(low):
        return None
    ranks = rankdata(np.concatenate([high, low]))
    return float((ranks[: len(high)].sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))
