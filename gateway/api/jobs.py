"""/v1/jobs: list, stop, fetch and erase what takes long."""

from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from gateway.api.erasure import erase_held
from gateway.api.files import PartDep, send_file
from gateway.api.parts import Mine, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.api.schemas import JobList, JobView, job_view
from gateway.jobs.inputs import FILMS, PORTRAIT
from gateway.jobs.records import FileRecord, new_id
from gateway.jobs.state import TERMINAL, JobStatus
from gateway.store.owners import OwnerStore
from services.common.errors import ProblemError
from services.talkinghead.schemas import MouthReport

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("", summary="List jobs", responses=problems())
async def list_jobs(
    mine: Mine,
    status: JobStatus | None = None,
    kind: Annotated[str | None, Query(max_length=32, examples=["video"])] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=32, description="`next_cursor` of the page before")] = None,
) -> JobList:
    """Jobs, newest first, page by page."""
    # One more than asked for tells whether another page follows.
    jobs = await run_in_threadpool(mine.jobs, status=status, kind=kind, before=cursor, limit=limit + 1)
    more = len(jobs) > limit
    page = jobs[:limit]
    return JobList(jobs=[job_view(job) for job in page], next_cursor=page[-1].id if more else None)


@router.get("/{job_id}", summary="A job", responses=problems("not_found"))
async def get_job(job_id: str, mine: Mine) -> JobView:
    """State, progress, result or error of a job. An id that is not known is 404, never a state."""
    return job_view(await run_in_threadpool(mine.job, job_id))


@router.post("/{job_id}/cancel", summary="Stop a job", responses=problems("not_found"))
async def cancel(job_id: str, parts: PartsDep, mine: Mine) -> JobView:
    """A waiting job is canceled at once; a running one stops within two seconds; a finished one stays as it is."""
    return job_view(await run_in_threadpool(mine.cancel, job_id, parts.retention_s))


@router.post(
    "/{job_id}/repeat",
    status_code=202,
    summary="Make a failed job again",
    responses=problems("not_found", "job_not_repeatable", "too_many_jobs", "compute_exhausted", "queue_full")
    | {202: {"description": "accepted; Location is the new job"}},
)
async def repeat(job_id: str, parts: PartsDep, mine: Mine, response: Response) -> JobView:
    """A new job of the same files, question, options and consent as one that failed or was canceled, whatever its kind.

    Nothing is uploaded again. Files and question go with the new job, so that a job is made again once; until then they
    stay with the old one, and are erased with it: by `DELETE`, or when it expires.
    """
    job = await run_in_threadpool(mine.repeat, job_id, new_id(), parts.storage.hand_on_workspace)
    await run_in_threadpool(parts.bell.ring, job.id)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job_view(job)


@router.get(
    "/{job_id}/content",
    summary="Download a job's result",
    response_class=Response,
    responses=problems("not_found", "job_not_finished", "range_not_satisfiable")
    | {200: {"description": "the file", "content": {"video/mp4": {}}}},
)
async def content(
    job_id: str,
    parts: PartsDep,
    mine: Mine,
    request_id: RequestId,
    part: PartDep,
) -> Response:
    """The file that the job made; ranges as for any file."""
    job = await run_in_threadpool(mine.job, job_id)
    if job.status not in TERMINAL:
        raise ProblemError("job_not_finished", f"job {job_id!r} is {job.status}; its result comes later", param="id")
    if job.output is None:
        raise ProblemError("not_found", f"job {job_id!r} is {job.status} and made no file", param="id")
    return await send_file(parts, mine, job.output["file_id"], part, request_id)


@router.get(
    "/{job_id}/mouth",
    summary="How far the mouth opens, and how loud it is",
    responses=problems("not_found", "job_not_finished", "service_unavailable", "overloaded", "invalid_request"),
)
async def mouth(job_id: str, parts: PartsDep, mine: Mine, request_id: RequestId) -> MouthReport:
    """Measured on each frame of a finished video's first minute: the plot in which good lips rise with open vowels and
    rest in silence. It takes about a tenth of the video's length."""
    job = await run_in_threadpool(mine.job, job_id)
    if job.kind not in FILMS:
        raise ProblemError("invalid_request", f"job {job_id!r} is a {job.kind}; only videos have mouths", param="id")
    if job.output is None:
        raise ProblemError("job_not_finished", f"job {job_id!r} is {job.status} and has no video", param="id")
    with ExitStack() as reading:
        try:
            video = await run_in_threadpool(reading.enter_context, parts.storage.copy(job.output["file_id"]))
        except FileNotFoundError:  # erased since the job's row was read
            raise ProblemError("not_found", f"job {job_id!r}: its video does not exist", param="id") from None
        return await parts.talkinghead.mouth(video, request_id)


@router.delete("/{job_id}", status_code=204, summary="Erase a job", responses=problems("not_found", "job_not_finished"))
async def erase(job_id: str, parts: PartsDep, mine: Mine, request_id: RequestId) -> None:
    """Erase a finished job with its result and the files that were uploaded with it."""
    source = await run_in_threadpool(_source, mine, job_id)
    files = await run_in_threadpool(mine.delete_job, job_id)
    await run_in_threadpool(parts.storage.remove, files)
    await run_in_threadpool(parts.storage.remove_workspace, job_id)
    if source is not None:
        await erase_held(parts, source.sha256, request_id)


def _source(mine: OwnerStore, job_id: str) -> FileRecord | None:
    """The picture or video that the job animates, if it is still there."""
    try:
        return mine.file(mine.job(job_id).input[PORTRAIT])
    except (KeyError, ProblemError):  # no such job, which is refused next; or it has no portrait any more
        return None
