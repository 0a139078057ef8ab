"""Calls the talking-head service."""

import hashlib
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, Self

import numpy as np
from pydantic import BaseModel, TypeAdapter
from safetensors import safe_open
from safetensors.numpy import load, save

from services.common.client import Answer, ServiceClient
from services.common.errors import ProblemError
from services.talkinghead.schemas import (
    FPS,
    Caption,
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

REPORT_HEADER = "X-Report"

CAPTIONS: Final = TypeAdapter(list[Caption])
"""As they lie in a prepared speech: JSON."""

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


def read_captions(prepared: Path) -> list[Caption]:
    """The sentences of a prepared text and when each is spoken; none of a speech that was a sound file."""
    with safe_open(prepared, framework="numpy") as stored:
        # A speech that was prepared before there were captions has none.
        told = stored.get_tensor("captions").tobytes() if "captions" in stored.keys() else b"[]"  # noqa: SIM118
    return CAPTIONS.validate_json(told)


def pack_segment(video: bytes, state: bytes) -> bytes:
    """Both as one safetensors file: the answer where segments depend on each other."""
    data: bytes = save({"video": np.frombuffer(video, np.uint8), "state": np.frombuffer(state, np.uint8)})
    return data


def unpack_segment(content: bytes) -> tuple[bytes, bytes]:
    """The inverse of ``pack_segment``."""
    parts = load(content)
    return parts["video"].tobytes(), parts["state"].tobytes()


@dataclass(frozen=True)
class Input:
    """A file that several calls need: named by its content, and sent only where the service does not hold it."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Reads the file once, block by block."""
        with path.open("rb") as file:
            return cls(path, hashlib.file_digest(file, "sha256").hexdigest())


class TalkingHeadClient(ServiceClient):
    """Portrait (or video) and speech -> segments of a talking video."""

    name = "talkinghead"

    async def portrait(self, portrait: Input, options: PortraitOptions, request_id: str = "") -> PortraitReport:
        """Is this portrait (an encoded image, or a video) fit to talk?"""
        response = await self._send("/v1/portraits", request_id, {"portrait": portrait}, options)
        return PortraitReport.model_validate_json(response.content)

    async def track(self, video: Input, options: TrackOptions, request_id: str = "") -> tuple[TrackReport, bytes]:
        """Follow the face through a video -> report, safetensors bytes."""
        response = await self._send("/v1/tracks", request_id, {"portrait": video}, options)
        return TrackReport.model_validate_json(response.headers[REPORT_HEADER]), response.content

    async def mouth(self, video: Path, request_id: str = "") -> MouthReport:
        """How far the mouth of a video opens, frame by frame, and how loud it is."""
        with video.open("rb") as file:
            response = await self._post("/v1/mouths", request_id, {}, {"video": file})
        return MouthReport.model_validate_json(response.content)

    async def voices(self, request_id: str = "") -> VoicesReport:
        """Who can read a text aloud."""
        return VoicesReport.model_validate_json((await self._get("/v1/voices", request_id)).content)

    async def speech(
        self, speech: bytes | str, options: SpeechOptions, features: bytes | None = None, request_id: str = ""
    ) -> tuple[SpeechReport, bytes]:
        """Prepare a speech file (bytes) or a text (str, spoken by a packaged voice) -> report, safetensors bytes.

        ``features`` is a file of DeepSpeech logits, for a model that hears them.
        """
        form, files = {"options": options.model_dump_json()}, {} if features is None else {"features": features}
        if isinstance(speech, str):
            response = await self._post("/v1/speech", request_id, form | {"text": speech}, files)
        else:
            response = await self._post("/v1/speech", request_id, form, files | {"speech": speech})
        return SpeechReport.model_validate_json(response.headers[REPORT_HEADER]), response.content

    async def segment(
        self,
        portrait: Input,
        speech: bytes,
        options: SegmentOptions,
        *,
        track: Input | None = None,
        state: bytes | None = None,
        request_id: str = "",
    ) -> tuple[SegmentReport, bytes, bytes | None]:
        """Frames ``[first_frame, first_frame + frames)`` -> report, MP4 bytes (H.264, no sound), end state.

        ``track`` where the portrait is a video; ``state`` is the end state of the segment before, where there is one:
        progressive segments have one, others can be made in any order.
        """
        inputs = {"portrait": portrait} | ({} if track is None else {"track": track})
        files = {"speech": speech} | ({} if state is None else {"state": state})
        response = await self._send("/v1/segments", request_id, inputs, options, files)
        report = SegmentReport.model_validate_json(response.headers[REPORT_HEADER])
        return report, *(unpack_segment(response.content) if options.progressive else (response.content, None))

    async def erase(self, sha256: str, request_id: str = "") -> None:
        """Let the service hold an input no longer. Of several replicas one is asked; the others do so by themselves."""
        await self._request("DELETE", f"/v1/inputs/{sha256}", request_id)

    async def _send(
        self,
        path: str,
        request_id: str,
        inputs: Mapping[str, Input],
        options: BaseModel,
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Answer:
        """Post ``options`` and ``files``; of the ``inputs`` those alone are sent that the service says it lacks."""
        lacking: frozenset[str] = frozenset()
        while True:
            form = {f"{name}_sha256": each.sha256 for name, each in inputs.items() if name not in lacking}
            with ExitStack() as stack:
                sent: dict[str, bytes | BinaryIO] = dict(files)
                sent |= {name: stack.enter_context(inputs[name].path.open("rb")) for name in lacking}
                try:
                    return await self._post(path, request_id, form | {"options": options.model_dump_json()}, sent)
                except ProblemError as error:
                    missing = inputs.keys() & error.extra.get("missing", ())
                    if error.code != "input_missing" or missing <= lacking:
                        raise
                    lacking |= missing
