"""What is evaluated, frame by frame beside the truth: a video voiced anew, or a portrait that talks."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from services.common.stopwatch import Stopwatch
from services.talkinghead.audio.decode import SpeechAudio
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.draft.lips import opening_ratio
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.face_maker import FaceMaker, FaceModel
from services.talkinghead.models import Models
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.portrait.analyse import Portrait
from services.talkinghead.portrait.animate import animate
from services.talkinghead.revoice.edit import edit_frames, voiced_frames
from services.talkinghead.revoice.prepare import is_video
from services.talkinghead.revoice.track import FaceTrack
from services.talkinghead.schemas import FPS, LONGEST_SEGMENT, SegmentOptions, TrackOptions
from services.talkinghead.video.decode import open_video

Bytes = NDArray[np.uint8]

_THREADS: Final = 1


@dataclass(frozen=True)
class Shot:
    """One frame."""

    truth: Bytes  # (H, W, 3)
    made: Bytes  # (H, W, 3)
    square: FaceSquare | None
    """Where the face is; None where the lips were left alone."""


class Subject(Protocol):
    """Something whose mouth can be made to talk."""

    fps: Fraction
    rest_opening: float
    """Of the mouth when nothing is said, in mouth widths."""
    own_sound: SpeechAudio | None

    def frames(self, speech: PreparedSpeech) -> int:
        """How many frames the speech drives."""

    def shots(self, speech: PreparedSpeech, frames: int) -> Iterator[Shot]:
        """The first frames."""

    def made_by(self, model: FaceModel) -> Self:
        """The same, found and tracked already, by another model."""


def open_subject(head: TalkingHead, models: Models, path: Path) -> Subject:
    """Read a video or a picture. Raises as ``TalkingHead.track``, ``read_speech`` and ``portrait`` do."""
    data = path.read_bytes()
    return (VideoSubject if is_video(data) else PortraitSubject)(head, models, data)


class _Animated:
    """What both kinds have in common."""

    _models: Models

    def made_by(self, model: FaceModel) -> Self:
        other = copy.copy(self)
        other._models = replace(self._models, difftalk=model)
        return other


class VideoSubject(_Animated):
    """A video whose lips are edited."""

    def __init__(self, head: TalkingHead, models: Models, data: bytes) -> None:
        self.own_sound: SpeechAudio | None = head.read_speech(data)
        _, self._track = head.track(data, TrackOptions(), lambda: None)
        self._models, self._data = models, data
        self.fps = self._track.fps
        edited = self._track.strength > 0
        self.rest_opening = float(np.median(opening_ratio(self._track.neutral[edited])))

    def frames(self, speech: PreparedSpeech) -> int:
        return min(len(self._track.shown), voiced_frames(speech.frames, self.fps))

    def shots(self, speech: PreparedSpeech, frames: int) -> Iterator[Shot]:
        track = replace(self._track, shown=self._track.shown[:frames])  # ends with the speech: nothing lets go before
        with open_video(self._data, _THREADS) as real, open_video(self._data, _THREADS) as source:
            truths = real.at(track.stamps, track.shown)
            for first in range(0, frames, LONGEST_SEGMENT):
                options = SegmentOptions(first_frame=first, frames=min(LONGEST_SEGMENT, frames - first))
                maker = FaceMaker.of(self._models.difftalk, options, lambda: None)
                made = edit_frames(self._models, source, track, speech, maker=maker, watch=Stopwatch())
                for number, frame in enumerate(made, first):
                    yield Shot(next(truths), frame, _square(track, int(track.shown[number])))


def _square(track: FaceTrack, frame: int) -> FaceSquare | None:
    return FaceSquare.of(track.landmarks[frame]) if track.strength[frame] == 1 else None


class PortraitSubject(_Animated):
    """A still portrait: the truth of every frame is the portrait itself."""

    own_sound: SpeechAudio | None = None

    def __init__(self, head: TalkingHead, models: Models, data: bytes) -> None:
        self._models = models
        self._portrait: Portrait = head.portrait(data, None)
        self.fps = Fraction(FPS)
        self.rest_opening = float(opening_ratio(self._portrait.landmarks))

    def frames(self, speech: PreparedSpeech) -> int:
        return speech.frames

    def shots(self, speech: PreparedSpeech, frames: int) -> Iterator[Shot]:
        for first in range(0, frames, LONGEST_SEGMENT):
            count = min(LONGEST_SEGMENT, frames - first)
            options = SegmentOptions(first_frame=first, frames=count, still=True)
            maker = FaceMaker.of(self._models.difftalk, options, lambda: None)
            for made in animate(self._models, self._portrait, speech, maker, Stopwatch()):
                yield Shot(self._portrait.pixels, made, self._portrait.square)
