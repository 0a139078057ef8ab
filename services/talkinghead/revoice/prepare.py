"""A source video is looked at: first its beginning, then, once, every frame of it."""

from collections.abc import Callable
from contextlib import closing
from itertools import islice
from typing import Final

import numpy as np

from services.common.errors import ProblemError
from services.common.faces.finder import FaceFinder
from services.talkinghead.draft.lips import Floats
from services.talkinghead.face.covered import covered_frames, disagreement
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.revoice.follow import FaceFollower
from services.talkinghead.revoice.track import FaceTrack, make_track
from services.talkinghead.schemas import LARGEST, FaceChoice, PortraitOptions, PortraitReport, TrackOptions, TrackReport
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.video.decode import Source, opened
from services.talkinghead.video.encode import even_size
from services.talkinghead.video.limited import LimitedVideo
from services.talkinghead.video.timeline import HIGHEST_FPS, Timeline

_LOOKED_AT: Final = 5
"""Frames of the beginning in which a face is looked for before the job is accepted."""

_NOT_MISSED: Final = 12
"""Frames by which a header may promise more than there are: those an edit list hides, or sound that lasts longer."""


def is_video(source: Source) -> bool:
    """Is this a video by its first bytes? Else it is read as a picture, whose errors say what is wrong with it."""
    head = opened(source).read(12)
    iso = head[4:8] == b"ftyp" and head[8:12] not in (b"heic", b"heix", b"mif1", b"avif")
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return iso or riff or head.startswith(b"\x1aE\xdf\xa3")


def describe_video(
    source: Source, options: PortraitOptions, finder: FaceFinder, settings: TalkingHeadSettings
) -> PortraitReport:
    """What can be told at once. Raises unsupported_media, too_large, invalid_request (no such face)."""
    video = LimitedVideo(source, settings.threads)
    if video.facts.promised_s > settings.max_source_s:
        raise _too_long(settings.max_source_s)
    height, width = video.facts.shape
    _check_size(height, width, settings.max_source_pixels)
    follow = FaceFollower(finder, _choice(options))
    points: Floats | None = None
    with closing(video.frames()) as frames:
        for frame in islice(frames, _LOOKED_AT):
            points = follow(frame.pixels)
            if points is not None:
                break
    box = None if points is None else (*points.min(0).round(1).tolist(), *points.max(0).round(1).tolist())
    return PortraitReport(
        width=width,
        height=height,
        face_box=box,
        face_size_px=None if points is None else FaceSquare.of(points).edge_px,
        warnings=_size_warnings(height, width),
    )


def track_video(
    source: Source, options: TrackOptions, finder: FaceFinder, settings: TalkingHeadSettings, check: Callable[[], None]
) -> tuple[TrackReport, FaceTrack]:
    """Follow the face through all frames.

    Raises unsupported_media, too_large, no_face, face_too_small, invalid_request (no such face).
    """
    video = LimitedVideo(source, settings.threads)
    facts = video.facts
    height, width = facts.shape
    _check_size(height, width, settings.max_source_pixels)

    # 1. Every frame that decodes: when it is shown, where the face is, and how surely its mouth
    follow = FaceFollower(finder, _choice(options))
    stamps: list[int] = []
    found: list[Floats | None] = []
    doubts: list[float] = []
    with closing(video.frames()) as frames:
        for frame in frames:
            check()
            stamps.append(frame.stamp)
            points = follow(frame.pixels)
            found.append(points)
            doubts.append(np.nan if points is None else disagreement(finder.landmarker, frame.pixels, points))
            if (frame.stamp - stamps[0]) * facts.time_base > settings.max_source_s:
                raise _too_long(settings.max_source_s)
            _check_count(len(stamps), settings.max_source_s)

    # 2. A constant frame rate
    timeline = Timeline.of(np.array(stamps, np.int64), facts.time_base, facts.guessed_fps)

    # 3. The track: smooth, with the mouth at rest, and what is left alone
    track, untouched = make_track(
        found, covered_frames(np.array(doubts, np.float32)), np.array(stamps, np.int64), timeline, (height, width)
    )
    report = TrackReport(
        width=width,
        height=height,
        fps=track.fps.as_integer_ratio(),
        frames=len(track.shown),
        warnings=_size_warnings(height, width) + _time_warnings(video, timeline, len(stamps)) + untouched,
    )
    return report, track


def _choice(options: PortraitOptions | TrackOptions) -> FaceChoice:
    return LARGEST if options.face is None else options.face


def _check_size(height: int, width: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise ProblemError(
            "too_large",
            f"source: {width} x {height} px are {width * height} pixels a frame; at most {most_pixels} are taken "
            "(RACONTEUR_MAX_SOURCE_PIXELS)",
            param="portrait",
        )


def _check_count(frames: int, limit_s: float) -> None:
    """A file may claim frames a millionth of a second long, and each costs a look for the face."""
    most = round(limit_s * HIGHEST_FPS)
    if frames > most:
        raise ProblemError("too_large", f"source: the video has more than {most} frames", param="portrait")


def _too_long(limit_s: float) -> ProblemError:
    return ProblemError(
        "too_large", f"source: the video lasts more than {limit_s:g} s, which is the limit", param="portrait"
    )


def _size_warnings(height: int, width: int) -> list[str]:
    warnings = []
    if (height, width) != even_size(height, width):
        warnings.append("source: H.264 needs even edges; the last row or column is doubled")
    return warnings


def _time_warnings(video: LimitedVideo, timeline: Timeline, decoded: int) -> list[str]:
    warnings = []
    promised = video.facts.promised_frames or int(video.facts.promised_s * timeline.fps)
    if video.damaged or promised - decoded > _NOT_MISSED:
        of = f" of {promised}" if promised > decoded else ""
        warnings.append(f"source: the video is damaged or cut short; {decoded}{of} frames can be decoded and are used")
    if not timeline.steady:
        warnings.append(
            f"source: its frames are not evenly spaced; the video is made at {float(timeline.fps):.3g} frames a second"
        )
    return warnings
