"""A stretch of a video at 25 frames a second: its pictures, and where the face is in each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.faces.finder import FaceFinder
from services.talkinghead.face.covered import covered_frames, disagreement
from services.talkinghead.footage.clip import Bytes, Floats
from services.talkinghead.footage.takes import Window
from services.talkinghead.revoice.follow import FaceFollower
from services.talkinghead.schemas import LARGEST
from services.talkinghead.speech.actions import FPS
from services.talkinghead.video.decode import SEEK_MARGIN, VideoReader

_THUMBNAIL: Final = (32, 18)
_LOOKED_AT: Final = FPS
"""Every so many frames the whole picture is searched for other people."""
_OTHER_FACE: Final = 0.6
"""A face of at least this share of the speaker's size could be a second speaker."""


@dataclass(frozen=True)
class Watched:
    """N frames at 25 fps."""

    landmarks: list[Floats | None]
    """(68, 2) each, in pixels of the upright picture or of the window in it."""
    thumbnails: Bytes
    """(N, 18, 32, 3): enough to tell a cut."""
    new: NDArray[np.bool_]
    """(N,) False where the frame before is shown once more."""
    covered: NDArray[np.bool_]
    """(N,) whether something is before the mouth."""
    others: NDArray[np.bool_]
    """(N,) whether somebody else's face is as large as the speaker's."""
    shape: tuple[int, int]
    """Height and width of the picture or window."""


def frames_at_25_fps(reader: VideoReader, start_s: float, count: int) -> Iterator[tuple[Any, bool]]:
    """For each of ``count`` times from ``start_s`` on (the file's beginning is 0) the nearest frame, and whether it is
    another one than before. Ends early where the video does."""
    first_s = reader.origin_s + start_s
    reader.rewind(max(int((first_s - SEEK_MARGIN / FPS) / reader.time_base), 0))
    times_s = first_s + np.arange(count) / FPS
    place = 0
    before: tuple[float, Any] | None = None
    for (stamp, frame), following in _with_next(reader.decoded()):
        at_s = float(stamp * reader.time_base)
        until_s = (at_s + float(following * reader.time_base)) / 2 if following is not None else at_s + 0.5 / FPS
        while place < count and times_s[place] < until_s:
            yield frame, before is None or before[0] != at_s
            before = at_s, frame
            place += 1
        if place == count:
            return


def _with_next(decoded: Iterator[tuple[int, Any]]) -> Iterator[tuple[tuple[int, Any], int | None]]:
    held: tuple[int, Any] | None = None
    for each in decoded:
        if held is not None:
            yield held, each[0]
        held = each
    if held is not None:
        yield held, None


def pixels_of(reader: VideoReader, frame: Any, window: Window | None) -> Bytes:
    """The upright picture (H, W, 3), or what lies in the window."""
    pixels = reader.upright.pixels(frame)
    if window is None:
        return pixels
    left, top, width, height = window
    return np.ascontiguousarray(pixels[max(top, 0) : top + height, max(left, 0) : left + width])


def watch(reader: VideoReader, finder: FaceFinder, start_s: float, count: int, window: Window | None) -> Watched:
    """Follow the largest face through a stretch; no pixels are kept."""
    follow = FaceFollower(finder, LARGEST)
    landmarks: list[Floats | None] = []
    thumbnails, new, doubts, others = [], [], [], []
    shape, crowd = (0, 0), False
    for number, (frame, is_new) in enumerate(frames_at_25_fps(reader, start_s, count)):
        pixels = pixels_of(reader, frame, window)
        shape = pixels.shape[:2]
        if is_new or not landmarks:
            points = follow(pixels)
            landmarks.append(points)
            doubts.append(np.nan if points is None else disagreement(finder.landmarker, pixels, points))
            thumbnails.append(cv2.resize(pixels, _THUMBNAIL, interpolation=cv2.INTER_AREA))
        else:
            landmarks.append(landmarks[-1])
            doubts.append(doubts[-1])
            thumbnails.append(thumbnails[-1])
        if number % _LOOKED_AT == 0:
            crowd = _others(finder, pixels, landmarks[-1])
        new.append(is_new)
        others.append(crowd)
    return Watched(
        landmarks,
        np.array(thumbnails, np.uint8).reshape(-1, *_THUMBNAIL[::-1], 3),
        np.array(new, bool),
        covered_frames(np.array(doubts, np.float32)),
        np.array(others, bool),
        shape,
    )


def _others(finder: FaceFinder, pixels: Bytes, speaker: Floats | None) -> bool:
    if speaker is None:
        return False
    size, centre = np.ptp(speaker, axis=0).max(), speaker.mean(0)
    return any(
        np.ptp(face.landmarks, axis=0).max() >= _OTHER_FACE * size
        and np.linalg.norm(face.landmarks.mean(0) - centre) > 0.5 * size
        for face in finder.find(pixels)
    )
