"""Portrait (or video) and speech -> frames of a talking head.

Every frame depends on the source, the prepared speech, its own number, the steps and the seed alone, so that
segments made apart, in any order, join to what one long run would have made.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.talkinghead.alive.blink import Eyelid, closing, eyelids
from services.talkinghead.alive.sway import HeadSway, pose
from services.talkinghead.audio.decode import SpeechAudio, decode_speech
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.audio_encoder import windows_between
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.motion import smooth_actions, target_landmarks
from services.talkinghead.draft.warp import Bytes, Canvas, Motion, PortraitWarp
from services.talkinghead.face.choose import check_size, choose_face, face_warnings
from services.talkinghead.face.square import SQUARE_PX, FaceSquare
from services.talkinghead.models import Models
from services.talkinghead.paste import paste_change, refinement_gain
from services.talkinghead.revoice.edit import edit_frames, video_frames
from services.talkinghead.revoice.prepare import describe_video, is_video, track_video
from services.talkinghead.revoice.track import FaceTrack
from services.talkinghead.schemas import (
    FPS,
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechReport,
    TrackOptions,
    TrackReport,
)
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.stopwatch import Stopwatch
from services.talkinghead.video.decode import open_video
from services.talkinghead.video.encode import encode_segment, even_size

MAX_PORTRAIT_PIXELS: Final = 25_000_000
MAX_PORTRAIT_EDGE_PX: Final = 8192
"""What H.264 level 6.2 can hold."""

Check = Callable[[], None]
"""Called between steps; raises to stop the work."""


@dataclass(frozen=True)
class Portrait:
    """All that is found out once about a portrait."""

    pixels: Bytes  # (H, W, 3) RGB, upright
    face_box: tuple[float, float, float, float]
    square: FaceSquare
    face: Bytes  # (128, 128, 3), the face square
    landmarks: Floats  # (68, 2) in the face square
    warp: PortraitWarp
    canvas: Canvas
    lids: list[Eyelid]
    sway: HeadSway
    latents: SourceLatents
    warnings: list[str]


class TalkingHead:
    """The service's work, without HTTP."""

    def __init__(self, models: Models, settings: TalkingHeadSettings) -> None:
        self._models, self._settings = models, settings
        self._portraits: OrderedDict[tuple[str, int | None], Portrait] = OrderedDict()
        self._portraits_lock = threading.Lock()

    def describe_portrait(self, data: bytes, options: PortraitOptions) -> PortraitReport:
        """Is this portrait (encoded image, or a video) fit to talk? The errors are those of ``PortraitReport``."""
        if is_video(data):
            return describe_video(data, options, self._models.faces, self._settings)
        portrait = self.portrait(data, options.face)
        height, width = portrait.pixels.shape[:2]
        return PortraitReport(
            width=width,
            height=height,
            face_box=portrait.face_box,
            face_size_px=portrait.square.edge_px,
            warnings=portrait.warnings,
        )

    def track(self, data: bytes, options: TrackOptions, check: Check) -> tuple[TrackReport, FaceTrack]:
        """Follow the face through a video."""
        return track_video(data, options, self._models.faces, self._settings, check)

    def read_speech(self, data: bytes) -> SpeechAudio:
        """Decode a sound or video file; cheap errors come first, before any model runs."""
        return decode_speech(data, self._settings.max_speech_s)

    def speak(self, text: str, rate: float) -> SpeechAudio:
        """Text, spoken by the packaged voice."""
        return self._models.voice.speak(text, rate, self._settings.max_speech_s)

    def prepare_speech(self, audio: SpeechAudio) -> tuple[SpeechReport, PreparedSpeech]:
        """Decoded speech -> facial actions."""
        speech = self._models.speech(audio.samples)
        prepared = PreparedSpeech(smooth_actions(speech.actions), speech.loudness, audio.soundtrack)
        warnings = list(audio.warnings)
        if not prepared.actions.any():
            warnings.append("speech: no voice was heard in it; the mouth stays shut")
        report = SpeechReport(
            duration_s=audio.duration_s,
            frames=prepared.frames,
            sample_rate_hz=audio.sample_rate_hz,
            channels=audio.channels,
            warnings=warnings,
        )
        return report, prepared

    def make_segment(
        self, portrait_data: bytes, speech_data: bytes, options: SegmentOptions, check: Check
    ) -> tuple[SegmentReport, bytes]:
        """Frames ``[first_frame, first_frame + frames)`` of a portrait as MP4 without sound."""
        watch = Stopwatch()
        with watch.stage("portrait"):
            portrait = self.portrait(portrait_data, options.face)
        with watch.stage("speech"):
            speech = PreparedSpeech.from_bytes(speech_data)
        frames = self.frames(portrait, speech, options, check, watch)
        return self._encode(frames, portrait.pixels.shape[:2], options, watch, warnings=portrait.warnings)

    def revoice_segment(
        self, video_data: bytes, speech_data: bytes, track_data: bytes, options: SegmentOptions, check: Check
    ) -> tuple[SegmentReport, bytes]:
        """The same frames of a video that is voiced anew, at its own frame rate."""
        watch = Stopwatch()
        with watch.stage("speech"):
            speech, track = PreparedSpeech.from_bytes(speech_data), FaceTrack.from_bytes(track_data)
        _check_frames(options, video_frames(speech.frames, track))
        with open_video(video_data, self._settings.threads) as reader:
            frames = edit_frames(self._models, reader, track, speech, options=options, check=check, watch=watch)
            shape, pixel_aspect = reader.upright.shape, reader.upright.pixel_aspect
            return self._encode(frames, shape, options, watch, fps=track.fps, pixel_aspect=pixel_aspect)

    def portrait(self, data: bytes, face: int | None) -> Portrait:
        """Analyse an encoded image; the last few are remembered by their content."""
        key = (hashlib.sha256(data).hexdigest(), face)
        with self._portraits_lock:
            found = self._portraits.get(key)
        if found is None:
            found = self._analyse(data, face)
        with self._portraits_lock:
            self._portraits[key] = found
            self._portraits.move_to_end(key)
            while len(self._portraits) > self._settings.portraits_kept:
                self._portraits.popitem(last=False)
        return found

    def frames(
        self,
        portrait: Portrait,
        speech: PreparedSpeech,
        options: SegmentOptions,
        check: Check,
        watch: Stopwatch | None = None,
    ) -> Iterator[Bytes]:
        """(H, W, 3) RGB frames of the segment, one by one, at the portrait's own size."""
        watch = watch or Stopwatch()
        _check_frames(options, speech.frames)
        first, last = options.first_frame, options.first_frame + options.frames
        # 1. Facial actions -> where the landmarks go
        targets = target_landmarks(portrait.landmarks, speech.actions[first:last], self._models.action_basis)
        gains = [refinement_gain(portrait.landmarks, target) for target in targets]
        active = [number for number, gain in enumerate(gains) if gain > 0]

        # 2. Geometric drafts of the frames that move, in the face square
        with watch.stage("draft"):
            motions: dict[int, Motion | None] = {}
            drafts = np.empty((len(active), SQUARE_PX, SQUARE_PX, 3), np.uint8)
            square = Canvas.of_square(SQUARE_PX)
            for place, number in enumerate(active):
                check()
                motions[number] = portrait.warp.motion(targets[number])
                drafts[place] = portrait.warp.draw(portrait.face, square, motions[number])

        # 3. DiffTalk repairs what no bending can show: teeth, tongue, shade
        changes: dict[int, Floats] = {}
        if active:
            with watch.stage("refine"):
                refined = self._models.difftalk.refine(
                    portrait.latents,
                    drafts,
                    windows_between(speech.actions, first, last)[active],
                    targets[active],
                    steps=options.steps,
                    seed=options.seed,
                    on_step=lambda _done, _of: check(),
                )
            changes = dict(zip(active, refined, strict=True))

        # 4. The portrait itself, bent at full resolution, plus the change; then the head blinks and sways
        closed, poses = closing(first, last, options.seed), pose(first, last, options.seed)
        for number, gain in enumerate(gains):
            check()
            with watch.stage("paste"):
                frame = portrait.warp.draw(portrait.pixels, portrait.canvas, motions.get(number))
                if gain > 0:
                    paste_change(frame, changes[number], portrait.canvas, gain)
            if not options.still:
                with watch.stage("alive"):
                    for lid in portrait.lids:
                        lid.close(frame, float(closed[number]))
                    portrait.sway.move(frame, poses[number])
            yield frame

    def _encode(
        self,
        frames: Iterator[Bytes],
        shape: tuple[int, ...],
        options: SegmentOptions,
        watch: Stopwatch,
        *,
        fps: Fraction = Fraction(FPS),
        pixel_aspect: Fraction = Fraction(1),
        warnings: Sequence[str] = (),
    ) -> tuple[SegmentReport, bytes]:
        """Pulls the frames, whose own stages are taken off the time of encoding."""
        height, width = shape
        before = sum(watch.seconds.values())
        with watch.stage("encode"):
            video = encode_segment(frames, height, width, self._settings.threads, fps=fps, pixel_aspect=pixel_aspect)
        watch.seconds["encode"] -= sum(watch.seconds.values()) - watch.seconds["encode"] - before
        coded_height, coded_width = even_size(height, width)
        report = SegmentReport(
            first_frame=options.first_frame,
            frames=options.frames,
            width=coded_width,
            height=coded_height,
            warnings=list(warnings),
            timings_s={name: round(seconds, 4) for name, seconds in watch.seconds.items()},
        )
        return report, video

    def _analyse(self, data: bytes, face: int | None) -> Portrait:
        picture = read_picture(data, max_pixels=MAX_PORTRAIT_PIXELS, param="portrait")
        pixels, warnings = picture.pixels, list(picture.warnings)
        height, width = pixels.shape[:2]
        if max(height, width) > MAX_PORTRAIT_EDGE_PX:
            raise ProblemError(
                "too_large",
                f"portrait: {width} x {height} px; a video's edge is at most {MAX_PORTRAIT_EDGE_PX} px",
                param="portrait",
            )
        if (height, width) != even_size(height, width):
            warnings.append("portrait: H.264 needs even edges; the last row or column is doubled")
        chosen = choose_face(self._models.faces.find(pixels), face)
        square = FaceSquare.of(chosen.landmarks)
        check_size(square)
        cut = square.cut(pixels)
        landmarks = square.to_square(chosen.landmarks)
        x0, y0, x1, y1 = (round(float(edge), 1) for edge in chosen.box)
        return Portrait(
            pixels=pixels,
            face_box=(x0, y0, x1, y1),
            square=square,
            face=cut,
            landmarks=landmarks,
            warp=PortraitWarp(cut, landmarks),
            canvas=Canvas.of_picture(pixels.shape, square.matrix),
            lids=eyelids(chosen.landmarks, pixels.shape),
            sway=HeadSway.of(square, pixels.shape),
            latents=self._models.difftalk.encode_source(cut, landmarks),
            warnings=warnings + face_warnings(chosen.landmarks, square),
        )


def _check_frames(options: SegmentOptions, frames: int) -> None:
    last = options.first_frame + options.frames
    if last > frames:
        raise ProblemError(
            "invalid_request",
            f"first_frame + frames: {last} is more than the {frames} frames of the video",
            param="frames",
        )
