"""Calls the talking-head service."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from services.common.client import ServiceClient
from services.talkinghead.schemas import (
    FPS,
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechOptions,
    SpeechReport,
    TrackOptions,
    TrackReport,
)

REPORT_HEADER = "X-Report"

SPEECH_MARGIN_FRAMES: Final = 10
"""Frames of speech on either side of a segment that its own look at: 8 by the windows of the audio features, 1 by a
frame rate that lies between the speech's frames, and 1 to round."""


def slice_speech(prepared: Path, first_frame: int, frames: int, fps: Fraction) -> bytes:
    """What ``frames`` frames at ``fps`` from ``first_frame`` on need of a prepared speech, whose file may be long.

    The file is the body of ``POST /v1/speech``; the slice is given to ``TalkingHeadClient.segment`` in its stead.
    """
    with safe_open(prepared, framework="numpy") as stored:
        in_all = int(stored.get_tensor("span")[1])
        first = math.floor(first_frame * FPS / fps) - SPEECH_MARGIN_FRAMES
        last = math.ceil((first_frame + frames) * FPS / fps) + SPEECH_MARGIN_FRAMES
        first = min(max(first, 0), in_all - 1)  # a video may go on behind its speech
        last = min(max(last, first + 1), in_all)
        data: bytes = save(
            {
                "actions": stored.get_slice("actions")[first:last],
                "features": stored.get_slice("features")[2 * first : 2 * last],
                "span": np.array([first, in_all], np.int64),
            }
        )
    return data


def read_soundtrack(prepared: Path) -> bytes:
    """The sound (AAC in MP4) of a prepared speech: this part alone, the rest may be many times as long."""
    with safe_open(prepared, framework="numpy") as stored:
        return bytes(stored.get_tensor("soundtrack").tobytes())


class TalkingHeadClient(ServiceClient):
    """Portrait (or video) and speech -> segments of a talking video."""

    name = "talkinghead"

    async def portrait(self, portrait: bytes, options: PortraitOptions, request_id: str = "") -> PortraitReport:
        """Is this portrait (encoded image bytes, or a video's) fit to talk?"""
        response = await self._post(
            "/v1/portraits", request_id, files={"portrait": portrait}, data={"options": options.model_dump_json()}
        )
        return PortraitReport.model_validate_json(response.content)

    async def track(self, video: bytes, options: TrackOptions, request_id: str = "") -> tuple[TrackReport, bytes]:
        """Follow the face through a video -> report, safetensors bytes."""
        response = await self._post(
            "/v1/tracks", request_id, files={"portrait": video}, data={"options": options.model_dump_json()}
        )
        return TrackReport.model_validate_json(response.headers[REPORT_HEADER]), response.content

    async def speech(
        self, speech: bytes | str, options: SpeechOptions, request_id: str = ""
    ) -> tuple[SpeechReport, bytes]:
        """Prepare a speech file (bytes) or a text (str, spoken by the packaged voice) -> report, safetensors bytes."""
        form = {"options": options.model_dump_json()}
        if isinstance(speech, str):
            response = await self._post("/v1/speech", request_id, data=form | {"text": speech})
        else:
            response = await self._post("/v1/speech", request_id, files={"speech": speech}, data=form)
        return SpeechReport.model_validate_json(response.headers[REPORT_HEADER]), response.content

    async def segment(
        self,
        portrait: bytes,
        speech: bytes,
        options: SegmentOptions,
        track: bytes | None = None,
        request_id: str = "",
    ) -> tuple[SegmentReport, bytes]:
        """Frames ``[first_frame, first_frame + frames)`` -> report, MP4 bytes (H.264, no sound).

        ``track`` where the portrait is a video.
        """
        response = await self._post(
            "/v1/segments",
            request_id,
            files={"portrait": portrait, "speech": speech} | ({} if track is None else {"track": track}),
            data={"options": options.model_dump_json()},
        )
        return SegmentReport.model_validate_json(response.headers[REPORT_HEADER]), response.content
