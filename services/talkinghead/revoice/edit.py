"""Frames of a video, its speech and its face track -> the same frames with their lips edited to the speech.

A frame is bent from its own landmarks to the person's mouth at rest plus the speech's actions, so that nothing of
what the old lips said stays in the shape of the new ones.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.stopwatch import Stopwatch
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.batches import MICRO_BATCH
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.motion import target_landmarks
from services.talkinghead.draft.warp import Bytes, Canvas, Motion, PortraitWarp
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.face_maker import FaceMaker
from services.talkinghead.models import Models
from services.talkinghead.paste import light_of, refinement_gain
from services.talkinghead.revoice.track import FaceTrack
from services.talkinghead.speech.actions import FPS
from services.talkinghead.video.decode import VideoReader
from services.talkinghead.video.limited import LimitedVideo
from services.talkinghead.video.timeline import back_and_forth

_LET_GO: Final = 4
"""Frames over which the edit ends before the rest of the video, which keeps its own lips."""


@dataclass(frozen=True)
class _Source:
    """A decoded frame, its number in the track, and how far its lips are edited."""

    pixels: Bytes
    track: FaceTrack
    number: int
    strength: float


@dataclass(frozen=True)
class _Draft:
    """One frame whose lips are edited."""

    pixels: Bytes  # (H, W, 3)
    strength: float
    gain: float
    warp: PortraitWarp
    canvas: Canvas
    motion: Motion | None
    square: Bytes  # (S, S, 3) at the model's size; bent where it wants drafts
    target: Floats  # (68, 2) in the face square
    window: Floats  # (8, 16, n)
    latents: SourceLatents
    light: Floats  # (3,) gains for what the model paints


def voiced_frames(speech_frames: int, fps: Fraction) -> int:
    """Frames at ``fps`` that the frames of speech (25 fps) reach into."""
    return -(-speech_frames * fps.numerator // (FPS * fps.denominator))


def video_frames(speech_frames: int, track: FaceTrack) -> int:
    """The longest video that can be made: all of the speech and all of the source."""
    return max(voiced_frames(speech_frames, track.fps), len(track.shown))


def edit_frames(
    models: Models,
    video: VideoReader | LimitedVideo,
    track: FaceTrack,
    speech: PreparedSpeech,
    *,
    maker: FaceMaker,
    watch: Stopwatch,
) -> Generator[Bytes, None, None]:
    """(H, W, 3) RGB frames ``[first_frame, first_frame + frames)``, one by one; ``MICRO_BATCH`` of them are held."""
    options = maker.options
    numbers = np.arange(options.first_frame, options.first_frame + options.frames)
    sources = track.shown[back_and_forth(numbers, len(track.shown))]
    strengths = track.strength[sources] * _hold(numbers, speech, track)
    reference = None if maker.drafts or not strengths.any() else _reference(maker, video, track)
    with closing(video.at(track.stamps, sources)) as pictures:
        for start in range(0, len(numbers), MICRO_BATCH):
            # 1. Frames and geometric drafts
            batch: list[Bytes | _Draft] = []
            for place in range(start, min(start + MICRO_BATCH, len(numbers))):
                maker.check()
                with watch.stage("decode"):
                    pixels = next(pictures)
                with watch.stage("draft"):
                    strength, number = float(strengths[place]), int(numbers[place])
                    if strength > 0:
                        voice = _speech_at(speech, number, track.fps)
                        source = _Source(pixels, track, int(sources[place]), strength)
                        batch.append(_draft(models, maker, source, voice, reference))
                    else:
                        batch.append(pixels)

            # 2. DiffTalk repairs what no bending can show
            drafts = [item for item in batch if isinstance(item, _Draft)]
            with watch.stage("refine"):
                faces = iter(_make(maker, drafts))

            # 3. The frame itself, bent at full resolution, with what was made
            for item in batch:
                with watch.stage("paste"):
                    frame = _paste(maker, item, next(faces)) if isinstance(item, _Draft) else item
                yield frame


def _hold(numbers: NDArray[np.int64], speech: PreparedSpeech, track: FaceTrack) -> Floats:
    """1 while the speech lasts, 0 behind it; where the video goes on, the edit lets go of the lips before."""
    voiced = voiced_frames(speech.frames, track.fps)
    left = np.clip((voiced - numbers) / _LET_GO, 0, 1) if len(track.shown) > voiced else numbers < voiced
    return np.asarray(left, np.float32)


def _reference(maker: FaceMaker, video: VideoReader | LimitedVideo, track: FaceTrack) -> SourceLatents:
    """The first frame whose lips can be edited wholly shows how the person looks, as in the release's inference."""
    first = np.flatnonzero(track.strength == track.strength.max())[:1]
    with closing(video.at(track.stamps, first)) as pictures:
        pixels = next(pictures)
    square = FaceSquare.of(track.landmarks[first[0]])
    return maker.encode(square.cut(pixels, maker.square_px), square.to_square(track.landmarks[first[0]]))


def _draft(
    models: Models,
    maker: FaceMaker,
    source: _Source,
    voice: tuple[Floats, Floats],
    reference: SourceLatents | None,
) -> _Draft:
    """A decoded frame, bent to actions (11,) and window (8, 16, n) of ``voice``."""
    pixels, landmarks = source.pixels, source.track.landmarks[source.number]
    square = FaceSquare.of(landmarks)
    own = square.to_square(landmarks)
    actions, window = voice
    target = target_landmarks(source.track.neutral[source.number], actions[None], models.action_basis)[0]
    small = square.cut(pixels)
    warp = PortraitWarp(small, own)
    motion = warp.motion(target) if maker.drafts else None
    cut = square.cut(pixels, maker.square_px)
    return _Draft(
        pixels=pixels,
        strength=source.strength,
        gain=refinement_gain(own[48:], target[48:]),
        warp=warp,
        canvas=Canvas.of_picture(pixels.shape, square.matrix),
        motion=motion,
        square=warp.draw(cut, Canvas.of_square(maker.square_px), motion),
        target=target,
        window=window,
        latents=maker.encode(cut, own, reference),
        light=light_of(small),
    )


def _speech_at(speech: PreparedSpeech, number: int, fps: Fraction) -> tuple[Floats, Floats]:
    """Actions (11,) and audio window (8, 16, n) at the time of frame ``number``, both counted exactly."""
    place = number * FPS / fps
    before = min(place.numerator // place.denominator, speech.frames - 1)
    after = min(before + 1, speech.frames - 1)
    weight = np.float32(min(float(place - before), 1.0))
    around = speech.actions_between(before, after + 1)
    nearest = before if weight < 0.5 else after
    return (1 - weight) * around[0] + weight * around[-1], speech.windows_between(nearest, nearest + 1)[0]


def _make(maker: FaceMaker, drafts: list[_Draft]) -> NDArray[np.generic] | list[NDArray[np.generic]]:
    if not drafts:
        return []
    return maker.make(
        SourceLatents.of_frames([draft.latents for draft in drafts]),
        np.stack([draft.square for draft in drafts]) if maker.drafts else None,
        np.stack([draft.window for draft in drafts]),
        np.stack([draft.target for draft in drafts]),
    )


def _paste(maker: FaceMaker, draft: _Draft, face: NDArray[np.generic]) -> Bytes:
    if maker.drafts:
        face = maker.lit(face, draft.square, draft.warp, draft.motion, draft.light)
    frame = draft.warp.draw(draft.pixels, draft.canvas, draft.motion)
    maker.paste(frame, face, draft.canvas, draft.gain)
    if draft.strength < 1:
        region = draft.canvas.rows, draft.canvas.columns
        mixed = cv2.addWeighted(frame[region], draft.strength, draft.pixels[region], 1 - draft.strength, 0)
        frame[region] = mixed
    return frame
