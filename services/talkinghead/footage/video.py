"""Clips of a real video."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import av
import numpy as np
import torch

from services.common.errors import ProblemError
from services.common.faces.finder import FaceFinder
from services.common.registry import verified_folder
from services.talkinghead.draft.action_basis import load_action_basis
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage import keep, release
from services.talkinghead.footage.clip import Clip, Floats, to_jpeg
from services.talkinghead.footage.made import Account, Made
from services.talkinghead.footage.release import Frames
from services.talkinghead.footage.sound import is_silent, read_sound
from services.talkinghead.footage.sync import LEAST_FRAMES, MOST_FRAMES, Agreement, agreement
from services.talkinghead.footage.takes import Take, pieces_of
from services.talkinghead.footage.watch import frames_at_25_fps, pixels_of, watch
from services.talkinghead.revoice.track import bridge, steady
from services.talkinghead.speech.actions import FPS, SAMPLES_PER_FRAME
from services.talkinghead.speech.network import Speech, SpeechNetwork
from services.talkinghead.video.decode import VideoReader, open_video

PIECE_S: Final = 120.0
"""A worker's share: it bounds the memory, and what is lost where a run is killed."""

_MARGIN: Final = MOST_FRAMES
"""Frames of sound that are heard on either side of a stretch, for every lag that is tried."""


@dataclass(frozen=True)
class VideoMaker:
    """The models that a worker needs; call it with a take of at most ``PIECE_S`` seconds, or frames of a release."""

    faces: FaceFinder
    speech: SpeechNetwork
    basis: Floats  # (11, 68, 2)
    square_px: int

    @classmethod
    def load(cls, weights_dir: Path, profile: str, square_px: int) -> Self:
        """On one thread. Raises model_unavailable."""
        torch.set_num_threads(1)
        return cls(
            FaceFinder.load(weights_dir, 1, profile),
            SpeechNetwork.load(verified_folder(weights_dir, "speech", profile)),
            load_action_basis(verified_folder(weights_dir, "draft", profile)),
            square_px,
        )

    def __call__(self, take: Take | Frames) -> Made:
        """Its clips; a video that cannot be used at all is told by its account."""
        if isinstance(take, Frames):
            return release.make(take, self.square_px)
        try:
            return self._make(take)
        except ProblemError as error:
            reason = f"{take.path.name}: {error.detail.removeprefix('source: ')}"
            return Made([], Account(take.name, take.path.name, take.identity, refused=reason))

    def _make(self, take: Take) -> Made:
        end_s = take.start_s + PIECE_S if take.end_s is None else take.end_s
        wanted = max(round((end_s - take.start_s) * FPS), 1)
        with take.path.open("rb") as file, open_video(file, 1) as reader:
            # 1. Is there any sound? It costs less to find out than faces do
            sound = self._sound(take, wanted, 0.0)
            if is_silent(sound):
                raise ProblemError("audio_silent", "source: its sound is silent", param="videos")

            # 2. Where the face is, and what speaks against a frame
            watched = watch(reader, self.faces, take.start_s, wanted, take.window)
            count = len(watched.landmarks)
            if not count:
                raise ProblemError(
                    "unsupported_media",
                    f"source: no picture can be decoded behind {take.start_s:.0f} s",
                    param="videos",
                )
            landmarks = steady(bridge(watched.landmarks), FPS)
            reasons = keep.by_sight(watched, landmarks, self.square_px)

            # 3. What is heard, and whether it comes from these lips
            heard = self.speech(sound)
            keep.by_sound(reasons, landmarks, heard.actions[_MARGIN : _MARGIN + count])
            together = self._agreement(keep.kept_runs(reasons), landmarks, heard)
            if together.frames >= LEAST_FRAMES and not together.sure:
                reasons[reasons == None] = keep.OUT_OF_SYNC  # noqa: E711 - elementwise
            lag_s = together.lag_s if together.sure else 0.0
            if lag_s:
                sound = self._sound(take, wanted, lag_s)
                heard = self.speech(sound)

            # 4. The clips
            actions = heard.actions[_MARGIN : _MARGIN + count]
            spans = keep.clips_of(keep.kept_runs(reasons), reasons, actions)
            pictures = self._pictures(reader, take, landmarks, spans, count)
        clips = [
            Clip(
                name=f"{take.name}-{take.start_s + first / FPS:07.2f}",
                identity=take.identity,
                source=take.path.name,
                start_s=take.start_s + first / FPS,
                square_px=self.square_px,
                pictures=pictures[first:last],
                landmarks=_in_squares(landmarks[first:last], self.square_px),
                places=np.arange(last - first),
                wave=_cut_wave(sound, first, last),
                actions=actions[first:last],
                loudness=heard.loudness[_MARGIN + first : _MARGIN + last],
                sound_lag_s=lag_s,
            )
            for first, last in spans
        ]
        account = Account(
            take.name,
            take.path.name,
            take.identity,
            seen_s=count / FPS,
            kept_s=sum(last - first for first, last in spans) / FPS,
            left_out_s=keep.seconds_by_reason(reasons),
            sound_lag_s=round(lag_s, 3),
            agreement=round(together.correlation, 3),
        )
        return Made(clips, account)

    def _sound(self, take: Take, frames: int, lag_s: float) -> Floats:
        """Of the stretch and the margins around it, taken ``lag_s`` later: whole frames."""
        start_s = take.start_s + lag_s - _MARGIN / FPS
        samples = read_sound(take.path, start_s, start_s + (frames + 2 * _MARGIN) / FPS)
        return samples[: (frames + 2 * _MARGIN) * SAMPLES_PER_FRAME]

    def _agreement(self, runs: list[tuple[int, int]], landmarks: Floats, heard: Speech) -> Agreement:
        return agreement(
            ((_in_squares(landmarks[first:last]), heard.actions[first : last + 2 * _MARGIN]) for first, last in runs),
            self.basis,
        )

    def _pictures(
        self, reader: VideoReader, take: Take, landmarks: Floats, spans: list[tuple[int, int]], count: int
    ) -> list[bytes]:
        """JPEG of the face square of every frame in the spans, b"" for the others."""
        wanted = np.zeros(count, bool)
        for first, last in spans:
            wanted[first:last] = True
        pictures = [b""] * count
        if not wanted.any():
            return pictures
        for number, (frame, _) in enumerate(frames_at_25_fps(reader, take.start_s, count)):
            if wanted[number]:
                pixels = pixels_of(reader, frame, take.window)
                pictures[number] = to_jpeg(FaceSquare.of(landmarks[number]).cut(pixels, self.square_px))
        return pictures


def plan(takes: list[Take]) -> list[Take]:
    """The takes in pieces. A file that cannot be opened stays whole: making it tells why."""
    return [piece for take in takes for piece in pieces_of(take, _end_s(take), PIECE_S)]


def _end_s(take: Take) -> float:
    """Where the video ends, by its header or else by its packets, which costs no decoding."""
    try:
        with av.open(str(take.path)) as container:
            if container.duration:
                return float(container.duration / av.time_base)
            origin_s = float((container.start_time or 0) / av.time_base)
            ends_s = [
                float(packet.pts + (packet.duration or 0)) * float(packet.time_base)
                for packet in container.demux()
                if packet.pts is not None
            ]
            return max(ends_s, default=origin_s) - origin_s
    except (av.error.FFmpegError, OSError):
        return take.start_s


def _in_squares(landmarks: Floats, size: int = 128) -> Floats:
    return np.stack([FaceSquare.of(points).to_square(points, size) for points in landmarks])


def _cut_wave(sound: Floats, first: int, last: int) -> Any:
    samples = sound[(_MARGIN + first) * SAMPLES_PER_FRAME : (_MARGIN + last) * SAMPLES_PER_FRAME]
    return np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)
