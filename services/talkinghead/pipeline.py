"""Portrait and speech -> frames of a talking head.

Every frame depends on the portrait, the prepared speech, its own number, the steps and the seed alone, so that
segments made apart, in any order, join to what one long run would have made.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.talkinghead.alive.blink import Eyelid, closing, eyelids
from services.talkinghead.alive.sway import HeadSway, pose
from services.talkinghead.audio.decode import SpeechAudio, decode_speech
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.audio_encoder import actions_as_features, audio_windows
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.motion import smooth_actions, target_landmarks
from services.talkinghead.draft.warp import Bytes, Canvas, Motion, PortraitWarp
from services.talkinghead.face.choose import check_size, choose_face, face_warnings
from services.talkinghead.face.square import SQUARE_PX, FaceSquare
from services.talkinghead.models import Models
from services.talkinghead.paste import paste_change, refinement_gain
from services.talkinghead.schemas import (
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechReport,
)
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.video.encode import encode_segment, even_size

MAX_PORTRAIT_PIXELS: Final = 25_000_000
MAX_PORTRAIT_EDGE_PX: Final = 8192
"""What H.264 level 6.2 can hold."""

_WINDOW_REACH: Final = 8
"""Frames on either side that a frame's audio windows look at: 4 neighbours of 16 vectors (8 frames) each."""

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


@dataclass
class Stopwatch:
    """Seconds per stage, added up."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


class TalkingHead:
    """The service's work, without HTTP."""

    def __init__(self, models: Models, settings: TalkingHeadSettings) -> None:
        self._models, self._settings = models, settings
        self._portraits: OrderedDict[tuple[str, int | None], Portrait] = OrderedDict()
        self._portraits_lock = threading.Lock()

    def describe_portrait(self, data: bytes, options: PortraitOptions) -> PortraitReport:
        """Is this portrait (encoded image) fit to talk? The errors are those of ``PortraitReport``."""
        portrait = self.portrait(data, options.face)
        height, width = portrait.pixels.shape[:2]
        return PortraitReport(
            width=width,
            height=height,
            face_box=portrait.face_box,
            face_size_px=portrait.square.edge_px,
            warnings=portrait.warnings,
        )

    def read_speech(self, data: bytes) -> SpeechAudio:
        """Decode a sound or video file; cheap errors come first, before any model runs."""
        return decode_speech(data, self._settings.max_speech_s)

    def speak(self, text: str, rate: float) -> SpeechAudio:
        """Text, spoken by the packaged voice."""
        return self._models.voice.speak(text, rate, self._settings.max_speech_s)

    def prepare_speech(self, audio: SpeechAudio) -> tuple[SpeechReport, PreparedSpeech]:
        """Decoded speech -> facial actions."""
        speech = self._models.speech(audio.samples)
        prepared = PreparedSpeech(smooth_actions(speech.actions), speech.hidden, speech.loudness, audio.soundtrack)
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
        """Frames ``[first_frame, first_frame + frames)`` as MP4 without sound."""
        watch = Stopwatch()
        with watch.stage("portrait"):
            portrait = self.portrait(portrait_data, options.face)
        with watch.stage("speech"):
            speech = PreparedSpeech.from_bytes(speech_data)
        height, width = portrait.pixels.shape[:2]
        with watch.stage("encode"):  # encoding pulls the frames: their stages are taken off below
            video = encode_segment(
                self.frames(portrait, speech, options, check, watch), height, width, self._settings.threads
            )
        made = sum(seconds for name, seconds in watch.seconds.items() if name in ("draft", "refine", "paste", "alive"))
        watch.seconds["encode"] -= made
        coded_height, coded_width = even_size(height, width)
        report = SegmentReport(
            first_frame=options.first_frame,
            frames=options.frames,
            width=coded_width,
            height=coded_height,
            warnings=portrait.warnings,
            timings_s={name: round(seconds, 4) for name, seconds in watch.seconds.items()},
        )
        return report, video

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
        first, last = options.first_frame, options.first_frame + options.frames
        if last > speech.frames:
            raise ProblemError(
                "invalid_request",
                f"first_frame + frames: {last} is more than the {speech.frames} frames of the speech",
                param="frames",
            )
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
                    _audio_windows(speech.actions, first, last)[active],
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


def _audio_windows(actions: Floats, first: int, last: int) -> NDArray[np.float32]:
    """The denoiser's audio windows of frames ``[first, last)``: the same as if they were cut from the whole speech."""
    before, after = max(first - _WINDOW_REACH, 0), last + _WINDOW_REACH
    return audio_windows(actions_as_features(actions[before:after]))[first - before : last - before]
