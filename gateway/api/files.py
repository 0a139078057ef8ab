"""/v1/files: upload, metadata, download, erase."""

import re
import time
from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Header, Response, UploadFile
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from gateway.api.erasure import erase_held
from gateway.api.parts import ExpiresInField, Mine, Parts, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.api.schemas import FileView, file_view
from gateway.jobs.records import FileRecord
from gateway.store.owners import OwnerStore
from services.common.app import problem_response
from services.common.errors import ProblemError

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Part:
    """Which part of a file a caller wants, and which it has: the headers of a download."""

    range_: Annotated[str | None, Header(alias="Range", examples=["bytes=0-1023"])] = None
    if_none_match: Annotated[str | None, Header(alias="If-None-Match", description="an ETag that the caller has")] = (
        None
    )


PartDep = Annotated[Part, Depends()]

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.post(
    "",
    status_code=201,
    summary="Upload a file, or name it by its URL",
    responses=problems("unsupported_media", "too_large", "address_refused", "url_not_fetched"),
)
async def upload(
    parts: PartsDep,
    mine: Mine,
    response: Response,
    *,
    file: UploadFile | None = None,
    url: Annotated[
        str | None,
        Form(max_length=2000, description="or where it is: https, on the open internet. Where the operator allows it"),
    ] = None,
    expires_in_s: ExpiresInField = None,
) -> FileView:
    """Store a picture, sound or video for later calls. What it is, is told by its content; it expires by itself.

    `curl -F file=@portrait.jpg http://127.0.0.1:8000/v1/files`
    """
    if file is not None and url is None:
        received = await run_in_threadpool(parts.storage.receive, file.file, file.filename or "", "file")
    elif url is not None and file is None:
        async with parts.fetcher.fetched(url) as content:
            received = await run_in_threadpool(parts.storage.receive, content, urlsplit(url).path, "url")
    else:
        raise ProblemError("invalid_request", "file, url: give one of the two", param="file")
    stored = replace(received, expires_at=time.time() + (expires_in_s or parts.retention_s))
    try:
        await run_in_threadpool(mine.add_file, stored)
    except BaseException:
        await run_in_threadpool(parts.storage.remove, [stored.id])
        raise
    response.headers["Location"] = f"/v1/files/{stored.id}"
    return file_view(stored)


@router.get("/{file_id}", summary="Metadata of a file", responses=problems("not_found"))
async def metadata(file_id: str, mine: Mine) -> FileView:
    """Name, type, size, SHA-256 and expiry of a file."""
    return file_view(await run_in_threadpool(mine.file, file_id))


@router.get(
    "/{file_id}/content",
    summary="Download a file",
    response_class=Response,
    responses=problems("not_found", "range_not_satisfiable")
    | {
        200: {"description": "the whole file", "content": {"*/*": {}}},
        206: {"description": "the range asked for", "content": {"*/*": {}}},
        304: {"description": "the caller has it (If-None-Match)"},
    },
)
async def content(
    file_id: str,
    parts: PartsDep,
    mine: Mine,
    request_id: RequestId,
    part: PartDep,
) -> Response:
    """The file's bytes, or one range of them (`Range: bytes=0-1023`)."""
    return await send_file(parts, mine, file_id, part, request_id)


@router.delete("/{file_id}", status_code=204, summary="Erase a file", responses=problems("not_found", "file_in_use"))
async def erase(file_id: str, parts: PartsDep, mine: Mine, request_id: RequestId) -> None:
    """Erase a file for good, and with it every finished job that read it and what that job made. A file that an
    unfinished job reads cannot be erased."""
    file = await run_in_threadpool(mine.file, file_id)
    await run_in_threadpool(parts.storage.remove, await run_in_threadpool(mine.delete_file, file_id))
    await erase_held(parts, file.sha256, request_id)


async def send_file(parts: Parts, mine: OwnerStore, file_id: str, part: Part, request_id: str) -> Response:
    """Answer with a stored file, whole (200), in part (206), not at all where the caller has it (304), or 416."""
    file = await run_in_threadpool(mine.file, file_id)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.sha256}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}",
        "X-Content-Type-Options": "nosniff",
    }
    if part.if_none_match is not None and headers["ETag"] in part.if_none_match:
        return Response(status_code=304, headers=headers)
    try:
        span = _span(part.range_, file)
    except ProblemError as error:
        refused = problem_response(error, request_id)
        refused.headers["Content-Range"] = f"bytes */{file.size_bytes}"  # RFC 9110 section 15.5.17
        return refused
    status = 200 if span is None else 206
    first, last = span or (0, file.size_bytes - 1)
    if span is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size_bytes}"
    headers["Content-Length"] = str(last - first + 1)
    try:
        blocks = await run_in_threadpool(parts.storage.blocks, file_id, first, last - first + 1)
    except FileNotFoundError:  # erased since its row was read
        raise ProblemError("not_found", f"file {file_id!r} does not exist", param="id") from None
    return StreamingResponse(blocks, status, headers, file.media_type)


def _span(range_: str | None, file: FileRecord) -> tuple[int, int] | None:
    """First and last byte asked for; None for the whole file (also for a malformed or a multiple range: RFC 9110)."""
    found = _RANGE.fullmatch(range_.strip()) if range_ else None
    if found is None or found.groups() == ("", ""):
        return None
    begin, end = found.groups()
    if begin:
        first, last = int(begin), min(int(end), file.size_bytes - 1) if end else file.size_bytes - 1
        if end and int(end) < first:
            return None
    else:
        first, last = max(0, file.size_bytes - int(end)), file.size_bytes - 1
    if first > last:
        raise ProblemError(
            "range_not_satisfiable",
            f"Range {range_!r} begins behind the last of {file.size_bytes} bytes",
            param="Range",
        )
    return first, last
