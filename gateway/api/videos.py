"""/v1/videos: a portrait or a video, and speech -> a job that makes it talk."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile

from gateway.access.caller import CallerDep
from gateway.api.accept import FILM_PROBLEMS, accept, check_text, fingerprint, text_hash
from gateway.api.consent import ConsentField, read_consent
from gateway.api.early_check import EarlyCheck
from gateway.api.incoming import Incoming
from gateway.api.manner import MannerFields
from gateway.api.parts import ExpiresInField, IdempotencyKey, Mine, Parts, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.api.schemas import JobView, job_view
from gateway.jobs.inputs import FEATURES, PORTRAIT, SPEECH, VIDEO, VideoInput
from gateway.jobs.records import FileRecord, NewJob, new_id
from gateway.media import has_face, has_features, has_sound
from services.common.errors import ProblemError

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@router.post(
    "",
    status_code=202,
    summary="Make a portrait talk, or voice a video anew",
    responses=problems("unsupported_media", "too_large", "not_found", *FILM_PROBLEMS)
    | {202: {"description": "accepted; Location is the job"}},
)
async def talk(
    parts: PartsDep,
    mine: Mine,
    caller: CallerDep,
    request_id: RequestId,
    response: Response,
    *,
    portrait: Annotated[
        UploadFile | None, File(description="a picture with a face, or a video that is voiced anew")
    ] = None,
    portrait_id: Annotated[str | None, Form(max_length=32, description="or the id of an uploaded file")] = None,
    speech: Annotated[UploadFile | None, File(description="sound, or a video whose sound is used")] = None,
    speech_id: Annotated[str | None, Form(max_length=32, description="or the id of an uploaded file")] = None,
    consent: ConsentField = None,
    text: Annotated[str | None, Form(description="or a text to be spoken", examples=["Good morning."])] = None,
    features: Annotated[
        UploadFile | None,
        File(
            description="DeepSpeech logits of the speech (.npy or safetensors), for an imported model that hears them"
        ),
    ] = None,
    features_id: Annotated[str | None, Form(max_length=32, description="or the id of an uploaded file")] = None,
    manner: MannerFields,
    expires_in_s: ExpiresInField = None,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """A job that makes the portrait say the speech (or the text): H.264 and AAC in MP4, a picture's at 25 fps.

    A text is read by `voice` (see `/v1/voices`) at `rate`. `draft`, `progressive`, `features`: for imported models.

    A video is voiced anew: its lips are edited and its sound is replaced; frame rate, size and everything else in its
    frames are kept. While the speech lasts longer, the video is played back and forth. `face` is chosen in the first
    frame that shows one; by default it is the largest, while a picture with several faces asks for a choice. Frames
    without the face, with a profile or a tiny one pass through untouched and are named in `warnings`. `still` says
    nothing about a video.

    Portrait and speech are checked before the job is accepted; while the service is too busy for that, the job is
    accepted and checks them itself. Follow it at `/v1/jobs/{id}/events`, and watch it
    while it is made at the job's `stream`.

    `consent` says whose face it is and on what basis it may be animated. It is kept in the audit log, which outlives
    the job and its files.

    `curl -F portrait=@portrait.jpg -F speech=@speech.wav -F 'consent={"subject": "Ann Lee", "basis": "self",
    "given_on": "2026-11-01"}' http://127.0.0.1:8000/v1/videos`
    """
    given = read_consent(consent)
    _check_sources(parts, portrait=portrait, portrait_id=portrait_id, speech=speech, speech_id=speech_id, text=text)
    options = manner.options()
    async with Incoming(parts, mine) as incoming:
        face_file = await incoming.file(portrait, portrait_id, PORTRAIT, has_face)
        speech_file = None if text else await incoming.file(speech, speech_id, SPEECH, has_sound)
        features_file: FileRecord | None = None
        if features is not None or features_id is not None:
            features_file = await incoming.file(features, features_id, FEATURES, has_features)
        wanted = VideoInput(
            portrait=face_file.id,
            speech=speech_file and speech_file.id,
            text=text,
            features=features_file and features_file.id,
            segment_frames=parts.settings.segment_frames,
            label=parts.settings.visible_label,
            sources=_source_hashes(face_file, speech_file, text, features_file),
            **options,
        )
        job_id = new_id()
        new = NewJob(
            id=job_id,
            kind=VIDEO,
            input=wanted.model_dump(),
            fingerprint=fingerprint(wanted, given),
            files=incoming.files(job_id),
            uses=tuple(filter(None, (wanted.portrait, wanted.speech, wanted.features))),
            idempotency_key=idempotency_key,
            retention_s=expires_in_s,
            audit={"key": caller.key_id, "consent": given.model_dump(mode="json"), "inputs": wanted.sources},
        )
        job = await accept(parts, mine, new, incoming, EarlyCheck(parts, wanted, request_id))
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job_view(job)


def _check_sources(
    parts: Parts,
    *,
    portrait: UploadFile | None,
    portrait_id: str | None,
    speech: UploadFile | None,
    speech_id: str | None,
    text: str | None,
) -> None:
    if (portrait is None) == (portrait_id is None):
        raise ProblemError("invalid_request", "portrait, portrait_id: give one of the two", param="portrait")
    if sum(source is not None for source in (speech, speech_id, text)) != 1:
        raise ProblemError("invalid_request", "speech, speech_id, text: give one of the three", param="speech")
    check_text(parts, text, "text")


def _source_hashes(
    portrait: FileRecord, speech: FileRecord | None, text: str | None, features: FileRecord | None
) -> dict[str, str]:
    """SHA-256 of what the video is made of."""
    said = {} if features is None else {FEATURES: features.sha256}
    if speech is None:
        said["text"] = text_hash(text or "")
    else:
        said[SPEECH] = speech.sha256
    return {PORTRAIT: portrait.sha256} | said
