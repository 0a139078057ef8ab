"""An invisible mark in a video's brightness that survives encoding and resizing, and its reading.

Quantization index modulation on projections of the picture ("spread transform dither modulation": Chen and Wornell,
"Quantization index modulation", IEEE Trans. Information Theory 47(4), 2001, section V). A picture's lowest cosines,
those of wavelengths from an eighth of it on, are what an encoder and a scaler leave alone; each bit of the mark owns a
share of them, and their sum is moved to the nearest point of one of two lattices. The cosines run over the picture's
edges, not its pixels, so that its size does not matter.

What is read is compared with marks that are known: a mark is random to whatever picture it is not in, so that the
chance of a false "yes" is bounded (``threshold``) whatever the picture shows.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray
from pydantic import ConfigDict

BITS: Final = 128
_LOWEST, _HIGHEST = 1.0, 20.0
"""Half waves across the picture; the root of the squares of both directions."""
_STEP: Final = 0.6
"""Of a lattice, in grey levels: root mean square over the picture. PSNR of a marked picture is about 40 dB."""
_PATTERN_SEED: Final = 20260101
"""Fixes which cosines belong to which bit; changing it makes all marks unreadable."""

Floats = NDArray[np.float32]


def mark_of(name: str) -> str:
    """The mark of what is called ``name``: 128 bits in hex that look random."""
    return hashlib.sha256(f"raconteur watermark 1\n{name}".encode()).hexdigest()[: BITS // 4]


def embed(luma: NDArray[np.uint8], mark: str) -> NDArray[np.uint8]:
    """A picture's brightness (H, W) with the mark (32 hex digits) in it."""
    bits = _bits(mark)
    shift = _dither() + np.where(bits > 0, 0.0, 0.5)
    at = _project(luma)
    moved = (np.rint(at - shift) + shift - at) @ _patterns()
    rows, columns = (_cosines(length) for length in luma.shape)
    waves = rows.T @ moved.astype(np.float32).reshape(len(rows), len(columns)) @ columns
    return np.clip(np.rint(luma + waves * (_STEP * math.sqrt(luma.size))), 0, 255).astype(np.uint8)


@dataclass
class Reading:
    """What of a mark is read from the pictures of a video, one after the other."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BITS))
    """(BITS,) how near each bit's projections lie to one lattice rather than the other."""
    pictures: int = 0

    def add(self, luma: NDArray[np.uint8]) -> None:
        """A picture's brightness (H, W), of any size."""
        self.sums += np.cos(2 * np.pi * (_project(luma) - _dither()))
        self.pictures += 1

    def scores(self, marks: Sequence[str]) -> NDArray[np.float64]:
        """How well each mark agrees: 0 by chance, sqrt(128) at most. See ``threshold``."""
        if self.pictures == 0 or not marks:
            return np.zeros(len(marks))
        codes = _bits("".join(marks)).reshape(len(marks), BITS)
        return np.asarray(codes @ self.sums / np.linalg.norm(self.sums), dtype=np.float64)


def threshold(marks: int, false_positives: float = 1e-6) -> float:
    """The score above which a mark is found, when ``marks`` are compared and a wrong "yes" shall be that unlikely.

    A wrong mark's bits are independent signs, so that its score exceeds t with a chance of at most exp(-t^2 / 2)
    (Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58, 1963, theorem 2).
    """
    return math.sqrt(2 * math.log(max(marks, 1) / false_positives))


def _bits(mark: str) -> NDArray[np.int8]:
    """-1 or 1 for each bit."""
    packed = np.frombuffer(bytes.fromhex(mark), np.uint8)
    return np.unpackbits(packed).astype(np.int8) * 2 - 1


def _project(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Where the picture stands on each bit's lattice, in steps; (BITS,)."""
    rows, columns = (_cosines(length) for length in luma.shape)
    waves = rows @ luma.astype(np.float32) @ columns.T
    return np.asarray(_patterns() @ waves.ravel() / (_STEP * math.sqrt(luma.size)), dtype=np.float64)


@lru_cache(maxsize=8)
def _cosines(length: int) -> Floats:
    """The lowest rows of the orthonormal DCT-II of ``length`` samples: (waves, length)."""
    waves = np.arange(math.ceil(_HIGHEST))[:, None]
    cosines = np.cos(np.pi * (2 * np.arange(length) + 1) * waves / (2 * length)) * math.sqrt(2 / length)
    cosines[0] /= math.sqrt(2)
    return cosines.astype(np.float32)


@lru_cache(maxsize=1)
def _patterns() -> Floats:
    """(BITS, waves * waves): each bit's own cosines with random signs, of length 1."""
    radius = np.hypot(*np.indices((math.ceil(_HIGHEST),) * 2)).ravel()
    usable = np.flatnonzero((radius >= _LOWEST) & (radius < _HIGHEST))
    random = default_rng(_PATTERN_SEED)
    each = len(usable) // BITS
    owned = random.permutation(usable)[: each * BITS].reshape(BITS, each)
    patterns = np.zeros((BITS, radius.size), np.float32)
    signs = random.choice(np.array([-1, 1], np.float32), owned.shape)
    np.put_along_axis(patterns, owned, signs / np.float32(math.sqrt(each)), axis=1)
    return patterns


@lru_cache(maxsize=1)
def _dither() -> NDArray[np.float64]:
    """Where each bit's lattice begins, in steps: (BITS,)."""
    return default_rng(_PATTERN_SEED + 1).random(BITS)
