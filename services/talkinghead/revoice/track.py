"""The face track of a video: where the chosen face is in every frame, and where its lips are left alone."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from services.common.errors import ProblemError
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.one_euro import smooth
from services.talkinghead.face.choose import MOST_TURNED, SMALLEST_SQUARE_PX, turn
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.revoice.neutral import neutral_shapes
from services.talkinghead.video.timeline import Timeline

NO_FACE: Final = "no face was found"
TURNED: Final = "the face is turned far to the side"
SMALL: Final = f"the face square is less than {SMALLEST_SQUARE_PX} px wide"
CUT: Final = "the mouth is at the edge of the picture"
COVERED: Final = "something is before the mouth"

_BRIDGED: Final = 3
"""So many frames without a face between two with it are the detector's own blink."""

_JUMP: Final = 0.35
"""Of the face square's edge: eyes and nose that move further between two frames are in another shot."""

_MIN_CUTOFF_HZ: Final = 1.5
_SPEED_COEFFICIENT: Final = 0.25
"""Hertz of cutoff for each unit of the 128 px face square per second. The landmarker's noise is about 0.3 units from
frame to frame; lips and heads move at 20 to 200 units per second."""

_RAMP: Final = 4
"""Frames over which the edit fades in beside frames that are left alone, so that lips do not jump."""

_MOST_RANGES: Final = 20


@dataclass(frozen=True)
class FaceTrack:
    """S decoded frames, N frames at a constant rate."""

    stamps: NDArray[np.int64]  # (S,) time stamps, by which a frame is found again
    landmarks: Floats  # (S, 68, 2) in pixels of the upright picture, free of jitter; 0 where there is none
    neutral: Floats  # (S, 68, 2) in the frame's face square: the mouth at rest
    strength: Floats  # (S,) how far the edit is mixed in: 0 leaves a frame untouched
    shown: NDArray[np.int64]  # (N,) decoded frame at each place
    fps: Fraction

    def to_bytes(self) -> bytes:
        """As safetensors; ``from_bytes`` reads it."""
        data: bytes = save(
            {
                "stamps": self.stamps,
                "landmarks": np.ascontiguousarray(self.landmarks),
                "neutral": np.ascontiguousarray(self.neutral),
                "strength": self.strength,
                "shown": self.shown,
                "fps": np.array(self.fps.as_integer_ratio(), np.int64),
            }
        )
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises invalid_request where ``data`` is not what ``to_bytes`` wrote."""
        try:
            arrays = load(data)
            stamps, shown, fps = (np.asarray(arrays[key], np.int64) for key in ("stamps", "shown", "fps"))
            landmarks, neutral, strength = (
                np.asarray(arrays[key], np.float32) for key in ("landmarks", "neutral", "strength")
            )
            rate = Fraction(int(fps[0]), int(fps[1]))
        except (SafetensorError, KeyError, ValueError, IndexError, ZeroDivisionError) as error:
            raise ProblemError(
                "invalid_request", f"track: it is no face track ({error}); POST /v1/tracks makes one", param="track"
            ) from None
        count = len(stamps)
        shapes = (stamps.shape, landmarks.shape, neutral.shape, strength.shape)
        sound = shapes == ((count,), (count, 68, 2), (count, 68, 2), (count,)) and shown.ndim == 1 and rate > 0
        if not sound or not len(shown) or shown.min() < 0 or shown.max() >= count:
            raise ProblemError("invalid_request", f"track: its arrays have the shapes {shapes}", param="track")
        return cls(stamps, landmarks, neutral, strength, shown, rate)


def make_track(
    found: list[Floats | None],
    covered: NDArray[np.bool_],
    stamps: NDArray[np.int64],
    timeline: Timeline,
    shape: tuple[int, int],
) -> tuple[FaceTrack, list[str]]:
    """Landmarks as they were found in each decoded frame of ``shape`` (height, width) -> the track, and warnings.

    ``covered`` (S,) tells where something is before the mouth.

    Raises no_face, face_too_small where there is no frame whose lips can be edited.
    """
    landmarks = bridge(found)
    landmarks = steady(landmarks, float(timeline.fps))
    reasons = [_reason(points, hidden, shape) for points, hidden in zip(landmarks, covered, strict=True)]
    usable = np.array([reason is None for reason in reasons])
    if not usable.any():
        small = all(reason in (SMALL, NO_FACE) for reason in reasons) and SMALL in reasons
        told = "; ".join(dict.fromkeys(filter(None, reasons)))
        raise ProblemError(
            "face_too_small" if small else "no_face",
            f"source: none of its {len(found)} frames shows a face whose lips can be edited ({told})",
            param="portrait",
        )
    neutral = np.zeros_like(landmarks)
    neutral[usable] = neutral_shapes(
        np.stack([FaceSquare.of(points).to_square(points) for points in landmarks[usable]])
    )
    track = FaceTrack(stamps, landmarks, neutral, _ramp(usable), timeline.shown, timeline.fps)
    return track, _ranges([reasons[index] for index in timeline.shown], timeline.fps)


def bridge(found: list[Floats | None]) -> Floats:
    """(S, 68, 2): short gaps are filled in a straight line, the others are 0."""
    landmarks = np.zeros((len(found), 68, 2), np.float32)
    seen = [number for number, points in enumerate(found) if points is not None]
    for number in seen:
        landmarks[number] = found[number]
    for before, after in pairwise(seen):
        if 1 < after - before <= _BRIDGED + 1 and not _jumps(landmarks[before], landmarks[after]):
            weight = np.linspace(0, 1, after - before + 1, dtype=np.float32)[1:-1, None, None]
            landmarks[before + 1 : after] = (1 - weight) * landmarks[before] + weight * landmarks[after]
    return landmarks


def steady(landmarks: Floats, fps: float) -> Floats:
    """Landmarks (S, 68, 2) free of jitter: every unbroken run by itself, in units of its own face square."""
    smoothed = landmarks.copy()
    here = np.array([bool(points.any()) for points in landmarks])
    breaks = [
        number
        for number in range(1, len(landmarks))
        if here[number] != here[number - 1] or (here[number] and _jumps(landmarks[number - 1], landmarks[number]))
    ]
    for first, last in pairwise([0, *breaks, len(landmarks)]):
        if here[first]:
            edges = [FaceSquare.of(points).edge_px for points in landmarks[first:last]]
            unit = np.float32(np.median(edges) / 128)
            run = smooth(landmarks[first:last] / unit, fps, _MIN_CUTOFF_HZ, _SPEED_COEFFICIENT)
            smoothed[first:last] = run * unit
    return smoothed


def _jumps(before: Floats, after: Floats) -> bool:
    step = np.linalg.norm(after[27:48].mean(0) - before[27:48].mean(0))
    return bool(step > _JUMP * FaceSquare.of(before).edge_px)


def _reason(points: Floats, covered: bool, shape: tuple[int, int]) -> str | None:
    """Why the lips of this frame are left alone; None where they are edited."""
    if not points.any():
        return NO_FACE
    if abs(turn(points)) > MOST_TURNED:
        return TURNED
    if FaceSquare.of(points).edge_px < SMALLEST_SQUARE_PX:
        return SMALL
    lips = points[48:]
    if lips.min() < 0 or (lips.max(0) > np.array([shape[1], shape[0]]) - 1).any():
        return CUT
    return COVERED if covered else None


def _ramp(usable: NDArray[np.bool_]) -> Floats:
    """0 on frames that are left alone, rising to 1 beside them; the video's own ends are no such frames."""
    strength = usable.astype(np.float32)
    for distance in range(_RAMP - 1, 0, -1):
        beside = np.zeros_like(usable)
        beside[distance:] |= ~usable[:-distance]
        beside[:-distance] |= ~usable[distance:]
        strength[beside & usable] = distance / _RAMP
    return strength


def _ranges(reasons: list[str | None], fps: Fraction) -> list[str]:
    """One line for each range of frames that pass through untouched."""
    edges = [0, *(n for n in range(1, len(reasons)) if reasons[n] != reasons[n - 1]), len(reasons)]
    spans = [(first, last - 1, reasons[first]) for first, last in pairwise(edges) if reasons[first] is not None]
    told = [
        f"source: frames {first} to {last} ({_time(first, fps)} to {_time(last + 1, fps)} s) are untouched: {reason}"
        for first, last, reason in spans[:_MOST_RANGES]
    ]
    if len(spans) > _MOST_RANGES:
        frames = sum(last - first + 1 for first, last, _ in spans[_MOST_RANGES:])
        told.append(f"source: {len(spans) - _MOST_RANGES} more ranges, {frames} frames in all, are untouched, too")
    return told


def _time(frame: int, fps: Fraction) -> str:
    return f"{float(frame / fps):.2f}"
