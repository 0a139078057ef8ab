"""What a frame costs in speeches of several lengths, and how much memory they take.

All lengths repeat the same five seconds, so that the same segment stands early in a short speech and late in a long
one. Lengths take turns and processor time is counted, so that neither a machine that grows slower nor other programs
favour one of them.
"""

import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.audio.decode import FEATURE_RATE_HZ, encode_speech
from services.talkinghead.figure import Figure
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.schemas import FPS, SegmentOptions

LENGTHS_S: Final = (5, 30, 120)
_PERIOD_S: Final = 5
_ROUNDS: Final = 3


def length_figures(head: TalkingHead, portrait: bytes, samples: NDArray[np.float32]) -> dict[str, Figure]:
    """Processor time per frame, preparing the speech included, and resident memory, for each of ``LENGTHS_S``."""
    # 1. Prepare each length, and see what memory it takes
    speeches: dict[int, bytes] = {}
    prepare_s: dict[int, float] = {}
    figures: dict[str, Figure] = {}
    for length_s in LENGTHS_S:
        audio = encode_speech(lasting(samples[: _PERIOD_S * FEATURE_RATE_HZ], length_s), FEATURE_RATE_HZ)
        began = time.process_time()
        _, prepared = head.prepare_speech(audio)
        prepare_s[length_s] = time.process_time() - began
        speeches[length_s] = prepared.to_bytes()
        _segment_s(head, portrait, speeches[length_s], second=length_s - 1)
        figures[f"{length_s} s of speech, memory"] = Figure(_resident_mb(), "MB")

    # 2. Every second of the five, at another repetition in each round
    seconds = np.zeros((_ROUNDS, _PERIOD_S, len(LENGTHS_S)))
    for round_ in range(_ROUNDS):
        for second in range(_PERIOD_S):
            for place, length_s in enumerate(LENGTHS_S):
                repetitions = length_s // _PERIOD_S
                late = (repetitions - 1) * round_ // (_ROUNDS - 1)
                at = late * _PERIOD_S + second
                seconds[round_, second, place] = _segment_s(head, portrait, speeches[length_s], second=at)

    # 3. Of each second the median of its rounds
    made_s = np.median(seconds, axis=0).sum(0) / (_PERIOD_S * FPS)
    costs = [made_s[place] + prepare_s[length_s] / (length_s * FPS) for place, length_s in enumerate(LENGTHS_S)]
    for length_s, cost in zip(LENGTHS_S, costs, strict=True):
        figures[f"{length_s} s of speech, cost"] = Figure(round(1000 * float(cost), 1), "CPU ms/frame")
    off = max(costs) / min(costs) - 1
    figures["lengths differ by"] = Figure(round(100 * float(off), 1), "%")
    return figures


def lasting(samples: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Samples (at ``FEATURE_RATE_HZ``), repeated to last so long."""
    length = round(seconds * FEATURE_RATE_HZ)
    return np.tile(samples, -(-length // len(samples)))[:length]


def _segment_s(head: TalkingHead, portrait: bytes, speech: bytes, *, second: int) -> float:
    """Processor time of making one second of video."""
    options = SegmentOptions(first_frame=second * FPS, frames=FPS)
    began = time.process_time()
    head.make_segment(portrait, speech, options, lambda: None)
    return time.process_time() - began


def _resident_mb() -> float:
    pages = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return round(int(pages.split()[1]) / 1024)
