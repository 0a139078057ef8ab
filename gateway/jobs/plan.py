"""How many frames a job's video has, at what rate, and where it is cut: for the worker and for who watches it."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from gateway.jobs.cuts import Cut, cuts
from gateway.jobs.inputs import SPEECH, TRACK, VideoInput
from gateway.jobs.workspace import Workspace
from services.talkinghead.schemas import FPS, LONGEST_SEGMENT, SpeechReport, TrackReport


@dataclass(frozen=True)
class Plan:
    """``frames`` pictures at ``fps``; a segment lasts no longer than ``segment_frames`` of a still's."""

    frames: int
    fps: Fraction
    segment_frames: int

    @classmethod
    def of_output(cls, output: dict[str, Any], segment_frames: int) -> Self:
        """Of a finished video. No frame rate has a denominator above 1001, so that its float tells it exactly."""
        return cls(output["frames"], Fraction(output["fps"]).limit_denominator(1001), segment_frames)

    def cuts(self) -> list[Cut]:
        size = int(self.segment_frames * self.fps / FPS)
        return cuts(self.frames, min(max(1, size), LONGEST_SEGMENT))


def plan_of(kept: Workspace, wanted: VideoInput) -> Plan:
    """Of a job whose speech is prepared and, where its portrait is a video, whose face track is made.

    A video keeps its own rate; it lasts as long as the speech, and longer where its rest is kept.
    """
    speech = kept.report(SPEECH, SpeechReport)
    if not kept.has(TRACK):
        return Plan(speech.frames, Fraction(FPS), wanted.segment_frames)
    track = kept.report(TRACK, TrackReport)
    fps = Fraction(*track.fps)
    voiced = math.ceil(round(speech.duration_s * float(fps), 6))  # 1.72 s at 25 fps are 43 frames, not 44
    return Plan(max(voiced, track.frames) if wanted.rest == "keep" else voiced, fps, wanted.segment_frames)
