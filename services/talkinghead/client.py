"""Calls the talking-head service."""

from services.common.client import ServiceClient
from services.talkinghead.schemas import (
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
