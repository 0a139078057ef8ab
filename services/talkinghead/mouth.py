"""How far a mouth opens, and how loud it is, frame by frame: measured on a video, not told by what made it."""

from contextlib import closing
from itertools import islice

import numpy as np

from services.common.faces.finder import FaceFinder
from services.talkinghead.audio.decode import FEATURE_RATE_HZ, decode_speech
from services.talkinghead.draft.lips import Floats, opening_ratio
from services.talkinghead.revoice.follow import FaceFollower
from services.talkinghead.schemas import LARGEST, LONGEST_MEASURED_S, MouthReport
from services.talkinghead.video.limited import LimitedVideo


def measure_mouth(video: bytes, faces: FaceFinder, *, max_speech_s: float, threads: int) -> MouthReport:
    """Of the first ``LONGEST_MEASURED_S`` seconds. Raises as ``decode_speech`` does, and unsupported_media."""
    heard = decode_speech(video, max_speech_s).samples
    reader, follow = LimitedVideo(video, threads), FaceFollower(faces, LARGEST)
    fps = reader.facts.guessed_fps
    with closing(reader.frames()) as frames:
        shown = [follow(frame.pixels) for frame in islice(frames, round(LONGEST_MEASURED_S * fps))]
    return MouthReport(
        fps=float(fps),
        openings=[None if points is None else round(float(opening_ratio(points)), 4) for points in shown],
        loudness=[round(float(level), 4) for level in _levels(heard, len(shown), float(fps))],
    )


def _levels(samples: Floats, count: int, fps: float) -> Floats:
    """(count,) root mean square of the sound of each frame; 0 where there is none."""
    edges = np.minimum(np.arange(count + 1) * FEATURE_RATE_HZ / fps, len(samples)).astype(int)
    energy = np.r_[0.0, np.cumsum(np.square(samples, dtype=np.float64))]
    mean = np.maximum(np.diff(energy[edges]), 0) / np.maximum(np.diff(edges), 1)
    return np.asarray(np.sqrt(mean), np.float32)
