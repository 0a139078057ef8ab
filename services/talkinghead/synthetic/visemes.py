"""Phone times to facial actions: every phone has a target, neighbours blend by dominance (co-articulation).

After M. Cohen and D. Massaro, "Modeling coarticulation in synthetic visual speech" (1993): a phone's weight falls
off with the distance in time, so that no viseme ever switches hard to the next, and p, b, m win over any vowel.
"""

import itertools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.speech.actions import ACTIONS, FPS, SAMPLE_RATE_HZ

FloatArray = NDArray[np.float64]


class Viseme(NamedTuple):
    """How strongly a phone class claims the face, and what it asks for."""

    dominance: float
    actions: dict[str, float]


VISEMES: Final = {
    "silence": Viseme(0.5, {}),
    "p": Viseme(5.0, {"mouthPress": 0.35, "mouthRollLower": 0.2, "mouthRollUpper": 0.15}),
    "f": Viseme(3.0, {"jawOpen": 0.06, "mouthRollLower": 0.6, "mouthUpperUp": 0.3}),
    "th": Viseme(1.4, {"jawOpen": 0.18, "tongueOut": 0.25, "mouthLowerDown": 0.15}),
    "t": Viseme(1.0, {"jawOpen": 0.13, "mouthStretch": 0.15, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1}),
    "s": Viseme(1.3, {"jawOpen": 0.06, "mouthStretch": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15}),
    "sh": Viseme(1.8, {"jawOpen": 0.12, "mouthFunnel": 0.65, "mouthUpperUp": 0.15}),
    "k": Viseme(0.8, {"jawOpen": 0.22}),
    "r": Viseme(1.2, {"jawOpen": 0.14, "mouthFunnel": 0.35, "mouthPucker": 0.3}),
    "w": Viseme(2.0, {"jawOpen": 0.08, "mouthPucker": 0.9}),
    "i": Viseme(1.2, {"jawOpen": 0.14, "mouthSmile": 0.4, "mouthStretch": 0.3, "mouthLowerDown": 0.2}),
    "I": Viseme(1.0, {"jawOpen": 0.24, "mouthSmile": 0.2, "mouthStretch": 0.15, "mouthLowerDown": 0.15}),
    "e": Viseme(1.3, {"jawOpen": 0.54, "mouthSmile": 0.25, "mouthStretch": 0.2, "mouthLowerDown": 0.15}),
    "ae": Viseme(1.5, {"jawOpen": 0.78, "mouthStretch": 0.3, "mouthUpperUp": 0.15, "mouthLowerDown": 0.2}),
    "a": Viseme(1.7, {"jawOpen": 0.92, "mouthLowerDown": 0.1}),
    "uh": Viseme(1.2, {"jawOpen": 0.58}),
    "schwa": Viseme(0.7, {"jawOpen": 0.32}),
    "o": Viseme(1.6, {"jawOpen": 0.62, "mouthFunnel": 0.55, "mouthPucker": 0.1}),
    "ou": Viseme(1.6, {"jawOpen": 0.42, "mouthFunnel": 0.35, "mouthPucker": 0.5}),
    "u": Viseme(1.6, {"jawOpen": 0.16, "mouthPucker": 0.85}),
}

_LETTERS: Final = {
    "p": "pbm", "f": "fv", "th": "θð", "t": "tdnlɾʔɫ", "s": "sz", "sh": "ʃʒ", "k": "kɡgŋhxjç", "r": "rɹɻ", "w": "wʍ",
    "i": "i", "I": "ɪɨy",
    "e": "eɛ", "ae": "æ", "a": "aɑɒ", "uh": "ʌɐ", "schwa": "əɚɜɝ", "o": "ɔ", "ou": "o", "u": "uʊʉ",
}  # fmt: skip
_VISEME_OF_LETTER: Final = {letter: viseme for viseme, letters in _LETTERS.items() for letter in letters}
_TWO_PART: Final = {
    "aɪ": ("a", "I"), "aʊ": ("a", "u"), "eɪ": ("e", "i"), "oʊ": ("ou", "u"), "əʊ": ("schwa", "u"), "ɔɪ": ("o", "I"),
    "tʃ": ("t", "sh"), "dʒ": ("t", "sh"), "ɪə": ("I", "schwa"), "eə": ("e", "schwa"),
    "ɔːɹ": ("o", "r"), "ɑːɹ": ("a", "r"),
}  # fmt: skip
_FIRST_PART = 0.55  # of a diphthong's or affricate's duration

_FALL_OFF_S = 0.045
_SILENCE_FALL_OFF_S = 0.06
_SHORT_PHONE_S = 0.09  # phones shorter than this do not reach their target


class Segment(NamedTuple):
    """How long the mouth has one shape."""

    start_s: float
    end_s: float
    viseme: str


def viseme_segments(phones: list[tuple[float, str]]) -> list[Segment]:
    """Phones as (start in s, IPA), the last one marking the end. Diphthongs and affricates become two segments."""
    segments = []
    for (start, phone), (end, _) in itertools.pairwise(phones):
        ipa = phone.strip("ˈˌ ")
        parts = next((parts for prefix, parts in _TWO_PART.items() if ipa.startswith(prefix)), None)
        if not ipa or end <= start:
            segments.append(Segment(start, max(end, start + 0.01), "silence"))
        elif parts:
            middle = start + (end - start) * _FIRST_PART
            segments += [Segment(start, middle, parts[0]), Segment(middle, end, parts[1])]
        else:
            segments.append(Segment(start, end, _VISEME_OF_LETTER.get(ipa[0], "schwa")))
    return segments


def action_curves(wave: NDArray[np.floating], phones: list[tuple[float, str]], gain: float = 1.0) -> FloatArray:
    """Facial actions (ceil(duration * 25), 11) in [0, 1] of speech with known phone times; the jaw opens a little
    more where it is loud."""
    n_frames = -(-len(wave) * FPS // SAMPLE_RATE_HZ)
    time_s = (np.arange(n_frames) + 0.5) / FPS
    first, last = (phones[0][0], phones[-1][0]) if phones else (0.0, 0.0)
    segments = [
        Segment(-1.0, first, "silence"),
        *viseme_segments(phones),
        Segment(last, n_frames / FPS + 1.0, "silence"),
    ]
    weighted, weights = np.zeros((n_frames, len(ACTIONS))), np.full(n_frames, 1e-3)
    for start, end, name in segments:
        viseme = VISEMES[name]
        outside_s = np.where(time_s < start, start - time_s, np.where(time_s > end, time_s - end, 0.0))
        fall_off_s = _SILENCE_FALL_OFF_S if name == "silence" else _FALL_OFF_S
        weight = viseme.dominance * np.exp(-((outside_s / fall_off_s) ** 1.6))
        weight = weight * min(1.0, 0.35 + (end - start) / _SHORT_PHONE_S)
        weights += weight
        weighted += weight[:, None] * np.array([viseme.actions.get(action, 0.0) for action in ACTIONS])
    curves: FloatArray = weighted / weights[:, None]
    loudness = smoothed_loudness(wave, n_frames)
    curves[:, ACTIONS.index("jawOpen")] *= np.clip(
        0.75 + 0.5 * loudness / (np.percentile(loudness, 90) + 1e-6), 0.75, 1.25
    )
    return np.clip(curves * gain, 0, 1)


def smoothed_loudness(wave: NDArray[np.floating], n_frames: int) -> FloatArray:
    """Root mean square over three frames around each of ``n_frames`` frames."""
    hop = SAMPLE_RATE_HZ // FPS
    padded = np.pad(wave, (hop, hop * (n_frames + 2)))
    return np.array([np.sqrt((padded[i * hop : (i + 3) * hop] ** 2).mean()) for i in range(n_frames)])
