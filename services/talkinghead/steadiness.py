"""How calm a mouth is that has nothing to say: a still portrait's, and a video's whose old lips must not show."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from services.common.stopwatch import Stopwatch
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.draft.lips import OPEN_ABOVE
from services.talkinghead.evaluation.motion import correlation, jitter
from services.talkinghead.evaluation.take import MOUTH, Take, cut
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.face_maker import FaceMaker
from services.talkinghead.models import Models
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.revoice.edit import edit_frames
from services.talkinghead.revoice.track import FaceTrack
from services.talkinghead.schemas import FPS, LONGEST_SEGMENT, SegmentOptions, TrackOptions
from services.talkinghead.speech.actions import ACTIONS
from services.talkinghead.video.decode import open_video

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Leak:
    """What a video voiced anew by silence still shows of its old lips."""

    correlation: float | None
    """Of the mouth's opening, as the landmarker finds it in the made frames, with the source's own."""
    slope: float
    """How much of the source's opening, in the same frames, the made mouth opens."""
    open_frames: float
    """Share of made frames whose lips stand open."""
    jitter: float
    """Of the made mouths, grey levels."""
    source_jitter: float


def still_jitter(head: TalkingHead, models: Models, portrait: bytes) -> float:
    """RMS by which the mouth region of a silent, still portrait changes from coded frame to frame, in grey levels."""
    options = SegmentOptions(first_frame=0, frames=FPS, still=True)
    _, segment = head.make_segment(portrait, silence(FPS, models).to_bytes(), options, lambda: None)
    square = head.portrait(portrait, None).square
    with av.open(io.BytesIO(segment.video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    mouths = cut(np.stack([square.cut(frame) for frame in frames]), MOUTH).astype(np.float32)
    return float(np.sqrt(np.square(np.diff(mouths, axis=0)).mean()))


def leak(head: TalkingHead, models: Models, video: bytes, steps: int = 4) -> Leak:
    """Voice all of a video anew by silence. Raises as ``TalkingHead.track`` does."""
    _, track = head.track(video, TrackOptions(), lambda: None)
    pairs = np.array(list(_silent_squares(models, video, track, steps)))  # (N, 2, 128, 128, 3)
    source, made = (Take.of(squares, models.faces.landmarker) for squares in pairs.swapaxes(0, 1))
    return Leak(
        correlation(made.opening, source.opening),
        float(np.polyfit(source.opening, made.opening, 1)[0]),
        float((made.opening > OPEN_ABOVE).mean()),
        jitter(made.mouths),
        jitter(source.mouths),
    )


def silence(frames: int, models: Models) -> PreparedSpeech:
    """Speech of ``frames`` in which nothing is said."""
    features = np.zeros((2 * frames, models.difftalk.configuration.audio_features), np.float32)
    return PreparedSpeech(np.zeros((frames, len(ACTIONS)), np.float32), features)


def _silent_squares(models: Models, video: bytes, track: FaceTrack, steps: int) -> Iterator[tuple[Bytes, Bytes]]:
    """Face squares (128, 128, 3) of the source and of the made frame, wherever a frame is edited whole."""
    count = len(track.shown)
    speech = silence(-(-count * FPS * track.fps.denominator // track.fps.numerator) + 1, models)
    with open_video(video, 1) as own, open_video(video, 1) as edited:
        sources = own.at(track.stamps, track.shown)
        for first in range(0, count, LONGEST_SEGMENT):
            options = SegmentOptions(first_frame=first, frames=min(LONGEST_SEGMENT, count - first), steps=steps)
            maker = FaceMaker.of(models.difftalk, options, lambda: None)
            made = edit_frames(models, edited, track, speech, maker=maker, watch=Stopwatch())
            for shown, frame in zip(track.shown[first : first + options.frames], made, strict=True):
                source = next(sources)
                if track.strength[shown] == 1:
                    square = FaceSquare.of(track.landmarks[shown])
                    yield square.cut(source), square.cut(frame)
