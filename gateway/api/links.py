"""/v1/files/{id}/links, /v1/jobs/{id}/links: for players and browsers that cannot send a key."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from starlette.concurrency import run_in_threadpool

from gateway.access.caller import CallerDep
from gateway.access.links import Link
from gateway.api.answers import FileLinks, JobLinks
from gateway.api.parts import Mine, PartsDep
from gateway.api.problems import problems

_ENDS: Final = {"content": "content", "stream": "stream.m3u8", "captions": "captions.vtt", "events": "events"}

ExpiresIn = Annotated[int, Body(ge=1, le=7 * 86400, embed=True, description="seconds; at most a week", examples=[600])]

router = APIRouter(prefix="/v1", tags=["links"])


@router.post("/files/{file_id}/links", summary="Share a file for a while", responses=problems("not_found"))
async def share_file(
    file_id: str, parts: PartsDep, mine: Mine, caller: CallerDep, expires_in_s: ExpiresIn = 600
) -> FileLinks:
    """A signed link to a file's content: no key is needed to follow it.

    `curl -X POST -H "Authorization: Bearer $KEY" http://127.0.0.1:8000/v1/files/{id}/links`
    """
    await run_in_threadpool(mine.file, file_id)
    link = Link(f"/v1/files/{file_id}", caller.key_id, int(time.time()) + expires_in_s)
    return FileLinks(content=f"{link.resource}/content?{link.query(parts.secret)}", expires_at=_moment(link))


@router.post("/jobs/{job_id}/links", summary="Share a job for a while", responses=problems("not_found"))
async def share_job(
    job_id: str, parts: PartsDep, mine: Mine, caller: CallerDep, expires_in_s: ExpiresIn = 600
) -> JobLinks:
    """Signed links to a job's result, stream and events: no key is needed to follow them. They change nothing."""
    await run_in_threadpool(mine.job, job_id)
    link = Link(f"/v1/jobs/{job_id}", caller.key_id, int(time.time()) + expires_in_s)
    query = link.query(parts.secret)
    places = {name: f"{link.resource}/{end}?{query}" for name, end in _ENDS.items()}
    return JobLinks(**places, expires_at=_moment(link))


def _moment(link: Link) -> Any:
    return datetime.fromtimestamp(link.expires_at, UTC)
