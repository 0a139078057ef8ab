"""All figures of one maker's frames, and their means over several clips."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.evaluation.identity import similarity
from services.talkinghead.evaluation.judges import Judges
from services.talkinghead.evaluation.likeness import efficientnet_distance, psnr_db, ssim
from services.talkinghead.evaluation.motion import (
    MOUTH_POINTS,
    best_correlation,
    correlation,
    jitter,
    landmark_distance,
)
from services.talkinghead.evaluation.phones import Openings, Phones
from services.talkinghead.evaluation.sharpness import cpbd
from services.talkinghead.evaluation.take import Take, evenly
from services.talkinghead.speech.actions import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from services.talkinghead.sync.agreement import expert_agreement
from services.talkinghead.sync.syncnet import lip_sync_errors

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]

_SAMPLED: Final = 48
"""Frames of a clip by which sharpness, identity and the network's distance are measured."""


@dataclass(frozen=True)
class Figures:
    """None where a figure has no meaning. The face is the square of 128 px, the mouth the 64 x 48 px of it that the
    small model makes."""

    psnr: float | None
    """dB, face; None where all frames are the truth's."""
    ssim: float | None
    psnr_mouth: float | None
    ssim_mouth: float | None
    efficientnet_distance_mouth: float | None
    cpbd: float | None
    f_lmd: float | None
    """Mean distance of 68 landmarks from the truth's, in px of the square."""
    m_lmd: float | None
    """The same of the mouth's 20."""
    identity: float | None
    """Mean cosine similarity of embeddings to the first true frame's."""
    jitter: float | None
    """Grey levels, mouth."""
    mouth_correlation: float | None
    """Of mouth opening with loudness, at the best lag."""
    mouth_lag_ms: float | None
    """Positive: the mouth comes after the sound."""
    phone_auc: float | None
    phone_lag_ms: float | None
    sync_confidence: float | None
    """Of our expert: the best lag's mean cosine above the median lag's."""
    sync_offset_ms: float | None
    """Its best lag; positive: the mouth comes after the sound."""
    lse_d: float | None
    """SyncNet's distance at the best lag: smaller is better."""
    lse_c: float | None
    """SyncNet's confidence: larger is better."""
    silence_opening: float | None
    """Mean opening in mouth widths while nobody speaks."""
    leak_correlation: float | None
    """Of mouth opening with the video's own opening, at no lag: agreement where the clip's own sound drives it, a leak
    where another does."""


@dataclass(frozen=True)
class Sound:
    """What drives N frames."""

    times_s: Floats  # (N,) middles of the frames
    samples: NDArray[np.float32]  # (S,) at 16 kHz
    phones: Phones

    @cached_property
    def loudness(self) -> Floats:
        """(N,) of each frame."""
        return loudness(self.samples, self.times_s)


def loudness(samples: Floats, times_s: Floats) -> Floats:
    """(S,) sound at 16 kHz -> root mean square (N,) over the 40 ms about each time."""
    half = SAMPLES_PER_FRAME // 2
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    middles = np.rint(times_s * SAMPLE_RATE_HZ).astype(int)
    begin, end = (np.clip(middles + edge, 0, len(samples)) for edge in (-half, half))
    return np.asarray(np.sqrt((power[end] - power[begin]) / (2 * half)))


@dataclass(frozen=True)
class Measured:
    """One maker's figures, and what is joined over clips."""

    figures: Figures
    openings: Openings


def measure(take: Take, truth: Take, sound: Sound, judges: Judges, silence_opening: float | None) -> Measured:
    """Frames (N) of one maker against the true ones."""
    some = evenly(len(take.squares), _SAMPLED)
    openings = Openings.of(take.opening, sound.times_s, sound.phones)
    mouth_correlation, mouth_lag_ms = best_correlation(take.opening, sound.loudness, sound.times_s)
    phone_auc, phone_lag_ms = openings.separation()
    timed = take.squares, sound.times_s, sound.samples
    sync_confidence, sync_offset_ms = expert_agreement(judges.expert, *timed)
    lse_d, lse_c = lip_sync_errors(judges.syncnet, *timed) if judges.syncnet else (None, None)
    return Measured(
        Figures(
            psnr=psnr_db(take.squares, truth.squares),
            ssim=ssim(take.squares, truth.squares),
            psnr_mouth=psnr_db(take.mouths, truth.mouths),
            ssim_mouth=ssim(take.mouths, truth.mouths),
            efficientnet_distance_mouth=efficientnet_distance(take.mouths[some], truth.mouths[some], judges.features),
            cpbd=_sharpness(take.squares[some]),
            f_lmd=landmark_distance(take.landmarks, truth.landmarks),
            m_lmd=landmark_distance(take.landmarks[:, MOUTH_POINTS], truth.landmarks[:, MOUTH_POINTS]),
            identity=similarity(take.squares[some], truth.squares[0], judges.identity),
            jitter=jitter(take.mouths),
            mouth_correlation=mouth_correlation,
            mouth_lag_ms=mouth_lag_ms,
            phone_auc=phone_auc,
            phone_lag_ms=phone_lag_ms,
            sync_confidence=sync_confidence,
            sync_offset_ms=sync_offset_ms,
            lse_d=lse_d,
            lse_c=lse_c,
            silence_opening=silence_opening,
            leak_correlation=correlation(take.opening, truth.opening),
        ),
        openings,
    )


def pooled(clips: list[Measured], frames: list[int]) -> Figures:
    """Over clips: means weighted by their frames; the phones of all clips are separated together, at one lag."""
    phone_auc, phone_lag_ms = Openings.joined([clip.openings for clip in clips]).separation()
    means = {
        field.name: _mean([getattr(clip.figures, field.name) for clip in clips], frames) for field in fields(Figures)
    }
    return Figures(**(means | {"phone_auc": phone_auc, "phone_lag_ms": phone_lag_ms}))


def _mean(values: list[float | None], weights: list[int]) -> float | None:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    if not known:
        return None
    return float(np.average([value for value, _ in known], weights=[weight for _, weight in known]))


def _sharpness(squares: Bytes) -> float | None:
    found = [value for value in map(cpbd, squares) if value is not None]
    return float(np.mean(found)) if found else None
