"""/v1/jobs/{id}/stream..., /captions.vtt: a video by HLS while it is made, and until it is erased."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from gateway.access.caller import CallerDep
from gateway.api.parts import Mine, PartsDep
from gateway.api.problems import problems
from gateway.jobs.stream import Stream, read_stream

_PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_PIECE_TYPE: Final = "video/mp4"
_CAPTIONS_TYPE: Final = "text/vtt"
_PIECE_HEADERS: Final = {"Cache-Control": "private, max-age=3600"}  # what a piece holds never changes
_PLAYLIST_EXAMPLE: Final = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=0
#EXT-X-MAP:URI="stream/head.mp4"
#EXTINF:1.000,
stream/0.m4s
"""

_CAPTIONS_EXAMPLE: Final = """WEBVTT

00:00:00.000 --> 00:00:01.340
Good morning.
"""

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.head("/{job_id}/stream.m3u8", include_in_schema=False)
@router.get(
    "/{job_id}/stream.m3u8",
    summary="Watch a video while it is made",
    response_class=Response,
    responses=problems("not_found")
    | {200: {"description": "the playlist", "content": {_PLAYLIST_TYPE: {"example": _PLAYLIST_EXAMPLE}}}},
)
async def playlist(job_id: str, parts: PartsDep, mine: Mine, caller: CallerDep) -> Response:
    """The video as HLS: an EVENT playlist that grows with each finished segment and ends (ENDLIST) with the last.

    It names no segment while none is finished; start a player when the job's `stream` is not null. It stays until the
    job is erased. A job that failed, was canceled or makes no video is 404.

    `ffplay http://127.0.0.1:8000/v1/jobs/{id}/stream.m3u8`
    """
    text = await run_in_threadpool(
        read_stream, mine, parts.storage, job_id, lambda stream: stream.playlist(caller.link)
    )
    return Response(text, media_type=_PLAYLIST_TYPE, headers={"Cache-Control": "no-cache"})


@router.head("/{job_id}/stream/head.mp4", include_in_schema=False)
@router.get(
    "/{job_id}/stream/head.mp4",
    summary="What a player reads before a segment",
    response_class=Response,
    responses=problems("not_found") | {200: {"description": "ftyp and moov", "content": {_PIECE_TYPE: {}}}},
)
async def head(job_id: str, parts: PartsDep, mine: Mine) -> Response:
    """The initialization section that the playlist names; the same for all segments."""
    content = await run_in_threadpool(read_stream, mine, parts.storage, job_id, Stream.head)
    return Response(content, media_type=_PIECE_TYPE, headers=_PIECE_HEADERS)


@router.head("/{job_id}/stream/{index}.m4s", include_in_schema=False)
@router.get(
    "/{job_id}/stream/{index}.m4s",
    summary="A segment of a video",
    response_class=Response,
    responses=problems("not_found") | {200: {"description": "moof and mdat", "content": {_PIECE_TYPE: {}}}},
)
async def piece(
    job_id: str,
    index: Annotated[int, Path(ge=0, description="counts from 0", examples=[0])],
    parts: PartsDep,
    mine: Mine,
) -> Response:
    """H.264 and AAC of one segment, as the playlist names it; 404 while it is not finished."""
    content = await run_in_threadpool(read_stream, mine, parts.storage, job_id, lambda stream: stream.piece(index))
    return Response(content, media_type=_PIECE_TYPE, headers=_PIECE_HEADERS)


@router.head("/{job_id}/captions.vtt", include_in_schema=False)
@router.get(
    "/{job_id}/captions.vtt",
    summary="Captions of a video",
    response_class=Response,
    responses=problems("not_found")
    | {200: {"description": "WebVTT", "content": {_CAPTIONS_TYPE: {"example": _CAPTIONS_EXAMPLE}}}},
)
async def captions(job_id: str, parts: PartsDep, mine: Mine) -> Response:
    """The sentences of a video's text, each for as long as it is spoken; the finished file holds them, too.

    They are known as soon as the voice has read the text. A video of a recorded voice has none: 404.
    """
    text = await run_in_threadpool(read_stream, mine, parts.storage, job_id, Stream.captions)
    return Response(text, media_type=_CAPTIONS_TYPE, headers={"Cache-Control": "no-cache"})
