"""Portrait (or video) and speech -> frames of a talking head.

Every frame depends on the source, the prepared speech, its own number, the steps and the seed alone, so that
segments made apart, in any order, join to what one long run would have made. In a progressive video it depends on the
frame before, too: its segments are made in their order, each from the state that the one before left.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

from services.common.errors import ProblemError
from services.common.metrics import FRAMES
from services.common.stopwatch import Stopwatch
from services.talkinghead.audio.decode import SpeechAudio, decode_speech
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.draft.motion import smooth_actions
from services.talkinghead.draft.warp import Bytes
from services.talkinghead.face_maker import FaceMaker, check_way
from services.talkinghead.models import Models
from services.talkinghead.mouth import measure_mouth
from services.talkinghead.portrait.analyse import Portrait, Portraits
from services.talkinghead.portrait.animate import animate
from services.talkinghead.revoice.edit import edit_frames, video_frames
from services.talkinghead.revoice.prepare import describe_video, is_video, track_video
from services.talkinghead.revoice.track import FaceTrack
from services.talkinghead.schemas import (
    FPS,
    FaceChoice,
    MouthReport,
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechOptions,
    SpeechReport,
    TrackOptions,
    TrackReport,
    VoicesReport,
)
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.speech.features.extractor import Heard
from services.talkinghead.video.decode import Source, opened
from services.talkinghead.video.encode import encode_segment, even_size
from services.talkinghead.video.limited import LimitedVideo
from services.talkinghead.video.marks import Marks

Check = Callable[[], None]
"""Called between steps; raises to stop the work."""


@dataclass(frozen=True)
class Segment:
    """H.264 in MP4 without sound, and what it leaves to the next one, if segments depend on each other."""

    video: bytes
    state: bytes | None


class TalkingHead:
    """The service's work, without HTTP."""

    def __init__(self, models: Models, settings: TalkingHeadSettings) -> None:
        self._models, self._settings = models, settings
        self._portraits = Portraits(models, settings.portraits_kept)

    def describe_portrait(self, source: Source, options: PortraitOptions) -> PortraitReport:
        """Is this portrait (encoded image, or a video) fit to talk? The errors are those of ``PortraitReport``."""
        check_way(options, self._models.difftalk.configuration)
        if is_video(source):
            return describe_video(source, options, self._models.faces, self._settings)
        portrait = self.portrait(source, options.face)
        height, width = portrait.pixels.shape[:2]
        return PortraitReport(
            width=width,
            height=height,
            face_box=portrait.face_box,
            face_size_px=portrait.square.edge_px,
            warnings=portrait.warnings,
        )

    def track(self, source: Source, options: TrackOptions, check: Check) -> tuple[TrackReport, FaceTrack]:
        """Follow the face through a video."""
        return track_video(source, options, self._models.faces, self._settings, check)

    def read_speech(self, data: bytes) -> SpeechAudio:
        """Decode a sound or video file; cheap errors come first, before any model runs."""
        return decode_speech(data, self._settings.max_speech_s)

    def mouth(self, video: bytes) -> MouthReport:
        """How far the largest face's mouth opens in a video, beside its loudness."""
        return measure_mouth(
            video, self._models.faces, max_speech_s=self._settings.max_speech_s, threads=self._settings.threads
        )

    def voices(self) -> VoicesReport:
        """Who can read a text aloud."""
        return VoicesReport(voices=self._models.voices.views())

    def speak(self, text: str, options: SpeechOptions) -> SpeechAudio:
        """Text, spoken by a packaged voice."""
        return self._models.voices.speak(text, options.rate, self._settings.max_speech_s, options.voice)

    def prepare_speech(self, audio: SpeechAudio, supplied: bytes | None = None) -> tuple[SpeechReport, PreparedSpeech]:
        """Decoded speech -> facial actions and what the model hears; ``supplied``: a file of its features, if any."""
        kind = self._models.difftalk.configuration.speech_features
        if supplied is not None and kind != "deepspeech":
            raise ProblemError(
                "invalid_request",
                f"features: the model hears {kind!r} features, which are made here of the speech; leave the file out",
                param="features",
            )
        actions = smooth_actions(self._models.speech(audio.samples).actions)
        features = self._models.features(Heard(audio.samples, actions, supplied))
        prepared = PreparedSpeech(actions, features, audio.soundtrack, audio.captions)
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
        self,
        source: Source,
        speech_data: bytes,
        options: SegmentOptions,
        check: Check,
        *,
        state: bytes | None = None,
    ) -> tuple[SegmentReport, Segment]:
        """Frames ``[first_frame, first_frame + frames)`` of a portrait as MP4 without sound."""
        watch, maker = Stopwatch(), self._maker(options, check, state)
        with watch.stage("portrait"):
            portrait = self.portrait(source, options.face)
        with watch.stage("speech"):
            speech = PreparedSpeech.from_bytes(speech_data)
        _check_frames(options, speech.frames)
        frames = animate(self._models, portrait, speech, maker, watch)
        report, video = self._encode(frames, portrait.pixels.shape[:2], options, watch, warnings=portrait.warnings)
        return report, Segment(video, maker.state)

    def revoice_segment(
        self,
        source: Source,
        speech_data: bytes,
        track_data: bytes,
        options: SegmentOptions,
        check: Check,
        *,
        state: bytes | None = None,
    ) -> tuple[SegmentReport, Segment]:
        """The same frames of a video that is voiced anew, at its own frame rate."""
        watch, maker = Stopwatch(), self._maker(options, check, state)
        with watch.stage("speech"):
            speech, track = PreparedSpeech.from_bytes(speech_data), FaceTrack.from_bytes(track_data)
        _check_frames(options, video_frames(speech.frames, track))
        video = LimitedVideo(source, self._settings.threads)
        with closing(edit_frames(self._models, video, track, speech, maker=maker, watch=watch)) as frames:
            report, made = self._encode(
                frames, video.facts.shape, options, watch, fps=track.fps, pixel_aspect=video.facts.pixel_aspect
            )
        return report, Segment(made, maker.state)

    def _maker(self, options: SegmentOptions, check: Check, state: bytes | None = None) -> FaceMaker:
        return FaceMaker.of(self._models.difftalk, options, check, state)

    def portrait(self, source: Source, face: FaceChoice | None) -> Portrait:
        """Analyse an encoded image; the last few are remembered by their content."""
        return self._portraits.of(opened(source).read(), face)

    def forget(self, sha256: str) -> None:
        """Remember nothing of the source with this SHA-256."""
        self._portraits.forget(sha256)

    def frames(
        self,
        portrait: Portrait,
        speech: PreparedSpeech,
        options: SegmentOptions,
        check: Check,
        watch: Stopwatch | None = None,
    ) -> Iterator[Bytes]:
        """(H, W, 3) RGB frames of the segment, one by one, at the portrait's own size."""
        _check_frames(options, speech.frames)
        return animate(self._models, portrait, speech, self._maker(options, check), watch or Stopwatch())

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
            marks = Marks(options.label, options.mark)
            video = encode_segment(
                frames, height, width, self._settings.threads, fps=fps, pixel_aspect=pixel_aspect, marks=marks
            )
        watch.seconds["encode"] -= sum(watch.seconds.values()) - watch.seconds["encode"] - before
        FRAMES.inc(options.frames)
        coded_height, coded_width = even_size(height, width)
        report = SegmentReport(
            first_frame=options.first_frame,
            frames=options.frames,
            width=coded_width,
            height=coded_height,
            model=self._settings.model_name,
            warnings=list(warnings),
            timings_s={name: round(seconds, 4) for name, seconds in watch.seconds.items()},
        )
        return report, video


def _check_frames(options: SegmentOptions, frames: int) -> None:
    last = options.first_frame + options.frames
    if last > frames:
        raise ProblemError(
            "invalid_request",
            f"first_frame + frames: {last} is more than the {frames} frames of the video",
            param="frames",
        )
