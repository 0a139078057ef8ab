"""/v1/verify: did we make this video?"""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import APIRouter, File, UploadFile
from starlette.concurrency import run_in_threadpool

from gateway.api.answers import CredentialsView, VerdictView, WatermarkView
from gateway.api.parts import Parts, PartsDep
from gateway.api.problems import problems
from gateway.media import HEAD_BYTES, is_video, sniff
from gateway.provenance.certificate import certificate_of
from gateway.provenance.verdict import Verdict, judge
from services.common.errors import ProblemError

router = APIRouter(prefix="/v1/verify", tags=["provenance"])


@router.post("", summary="Was this video made here?", responses=problems("unsupported_media", "too_large"))
async def verify(
    video: Annotated[UploadFile, File(description="MP4, MOV, WebM or AVI")], parts: PartsDep
) -> VerdictView:
    """Whether this installation made a video, from which job, and whether it was changed since. The video is not kept.

    Content credentials tell while they are there and whole. When they were stripped or the video was encoded again, the
    watermark in its first eight seconds tells; it survives CRF 30 and half the size, but no crop. "No" is no proof.

    `curl -F video=@talk.mp4 http://127.0.0.1:8000/v1/verify`
    """
    return _view(await run_in_threadpool(_judge, parts, video.file))


def _judge(parts: Parts, stream: BinaryIO) -> Verdict:
    media_type = sniff(stream.read(HEAD_BYTES))
    stream.seek(0)
    if media_type is None or not is_video(media_type):
        raise ProblemError("unsupported_media", f"video: the file is {media_type or 'no known media'}", param="video")
    with tempfile.NamedTemporaryFile(prefix="raconteur-verify-") as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        return judge(Path(file.name), parts.database.audit, certificate_of(parts.settings))


def _view(verdict: Verdict) -> VerdictView:
    found = verdict.credentials
    claim = found and found.claim
    credentials = found and CredentialsView(
        state=found.state,
        signed_by=found.signed_by,
        job=claim.job_id if claim else None,
        model=claim.model if claim else None,
        inputs=claim.inputs if claim else {},
    )
    mark = verdict.mark
    return VerdictView(
        made_here=verdict.made_here,
        job=verdict.job_id,
        changed=verdict.changed,
        credentials=credentials,
        watermark=WatermarkView(found=mark.found, score=mark.score, threshold=mark.threshold),
    )
