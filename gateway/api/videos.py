"""/v1/videos: a portrait or a video, and speech -> a job that makes it talk."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Annotated, Final, Self

from fastapi import APIRouter, File, Form, Header, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from gateway.access.caller import CallerDep
from gateway.api.consent import Consent, ConsentField, read_consent
from gateway.api.early_check import EarlyCheck
from gateway.api.parts import ExpiresInField, Mine, Parts, PartsDep, RequestId
from gateway.api.problems import problems
from gateway.api.schemas import JobView, job_view
from gateway.jobs.inputs import FEATURES, PORTRAIT, SPEECH, VIDEO, Rest, VideoInput
from gateway.jobs.records import FileRecord, Job, NewJob, new_id
from gateway.media import has_face, has_features, has_sound
from gateway.store.owners import OwnerStore
from services.common.errors import ProblemError
from services.talkinghead.schemas import Sampler, read_face

_PROBLEMS: Final = problems(
    "unsupported_media",
    "too_large",
    "not_found",
    "no_face",
    "several_faces",
    "face_too_small",
    "audio_empty",
    "audio_silent",
    "audio_too_long",
    "idempotency_mismatch",
    "consent_missing",
    "too_many_jobs",
    "compute_exhausted",
    "queue_full",
    "storage_full",
)

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@router.post(
    "",
    status_code=202,
    summary="Make a portrait talk, or voice a video anew",
    responses=_PROBLEMS | {202: {"description": "accepted; Location is the job"}},
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
    voice: Annotated[str | None, Form(max_length=64, description="who reads the text, see `/v1/voices`")] = None,
    rate: Annotated[float, Form(ge=0.5, le=2.0, description="how fast the text is read")] = 1.0,
    features: Annotated[
        UploadFile | None,
        File(
            description="DeepSpeech logits of the speech (.npy or safetensors), for an imported model that hears them"
        ),
    ] = None,
    features_id: Annotated[str | None, Form(max_length=32, description="or the id of an uploaded file")] = None,
    steps: Annotated[
        int | None,
        Form(ge=1, le=200, description="denoising steps: more is finer and slower; by default the model's own number"),
    ] = None,
    sampler: Annotated[Sampler, Form(description="how to go from noise level to noise level")] = "ddim",
    draft: Annotated[
        bool | None,
        Form(description="of an imported model: begin with a geometric draft of each frame, not with noise"),
    ] = None,
    progressive: Annotated[
        bool, Form(description="of an imported model: each frame is the reference of the next one")
    ] = False,
    seed: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0,
    face: Annotated[
        str | None,
        Form(
            description="which of several faces: its index from the left, `largest`, or a box `[x0, y0, x1, y1]` in "
            "pixels of the upright source",
            examples=["largest"],
        ),
    ] = None,
    still: Annotated[bool, Form(description="no blink and no sway: nothing moves but the lower face")] = False,
    rest: Annotated[
        Rest, Form(description="of a video that is longer than the speech: keep it (silent) or cut it off")
    ] = "keep",
    expires_in_s: ExpiresInField = None,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="same key and request: the same job, not another one"),
    ] = None,
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
    choice = None if face is None else read_face(face)
    async with _Incoming(parts, mine) as incoming:
        face_file = await incoming.file(portrait, portrait_id, PORTRAIT, has_face)
        speech_file = None if text else await incoming.file(speech, speech_id, SPEECH, has_sound)
        features_file: FileRecord | None = None
        if features is not None or features_id is not None:
            features_file = await incoming.file(features, features_id, FEATURES, has_features)
        wanted = VideoInput(
            portrait=face_file.id,
            speech=speech_file and speech_file.id,
            text=text,
            voice=voice,
            rate=rate,
            features=features_file and features_file.id,
            steps=steps,
            sampler=sampler,
            draft=draft,
            progressive=progressive,
            seed=seed,
            face=choice,
            still=still,
            rest=rest,
            segment_frames=parts.settings.segment_frames,
            label=parts.settings.visible_label,
            sources=_source_hashes(face_file, speech_file, text, features_file),
        )
        job_id = new_id()
        new = NewJob(
            id=job_id,
            kind=VIDEO,
            input=wanted.model_dump(),
            fingerprint=_fingerprint(wanted, given),
            files=incoming.files(job_id),
            uses=tuple(filter(None, (wanted.portrait, wanted.speech, wanted.features))),
            idempotency_key=idempotency_key,
            retention_s=expires_in_s,
            audit={"key": caller.key_id, "consent": given.model_dump(mode="json"), "inputs": wanted.sources},
        )
        known: Job | None = None
        if idempotency_key is not None:
            known = await run_in_threadpool(mine.job_of_key, idempotency_key, new.fingerprint)
        job = known or await _submit(parts, mine, new, incoming, EarlyCheck(parts, wanted, request_id))
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
    if text is not None and not text.strip():
        raise ProblemError("audio_empty", "text: there is nothing to say", param="text")
    limit = parts.settings.max_text_chars
    if text is not None and len(text) > limit:
        raise ProblemError("audio_too_long", f"text: {len(text)} characters; the limit is {limit}", param="text")


def _source_hashes(
    portrait: FileRecord, speech: FileRecord | None, text: str | None, features: FileRecord | None
) -> dict[str, str]:
    """SHA-256 of what the video is made of."""
    said = {} if features is None else {FEATURES: features.sha256}
    if speech is None:
        said["text"] = hashlib.sha256((text or "").encode()).hexdigest()
    else:
        said[SPEECH] = speech.sha256
    return {PORTRAIT: portrait.sha256} | said


def _fingerprint(wanted: VideoInput, consent: Consent) -> str:
    """The same for the same request, whatever ids its uploads were given."""
    told = wanted.model_dump(exclude={"segment_frames", "label", PORTRAIT, SPEECH, FEATURES})
    told |= {"consent": consent.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


async def _submit(parts: Parts, mine: OwnerStore, new: NewJob, incoming: "_Incoming", early: EarlyCheck) -> Job:
    await early.run()
    job, created = await run_in_threadpool(mine.submit, replace(new, warnings=tuple(early.warnings)))
    if created:
        incoming.keep()
        await run_in_threadpool(early.hand_over, parts.storage, job.id)
        await run_in_threadpool(parts.bell.ring, job.id)
    return job


class _Incoming:
    """Files of one request: received before the job is stored, and removed again unless it is."""

    def __init__(self, parts: Parts, mine: OwnerStore) -> None:
        self._parts, self._mine = parts, mine
        self._received: list[FileRecord] = []

    async def file(
        self, upload: UploadFile | None, file_id: str | None, param: str, fits: Callable[[str], bool]
    ) -> FileRecord:
        """The upload, stored, or the file with this id. Raises ``unsupported_media`` where its type does not fit."""
        if upload is not None:
            if upload.size == 0 and param == SPEECH:
                raise ProblemError("audio_empty", "speech: the file is empty", param=param)
            storage = self._parts.storage
            file = await run_in_threadpool(storage.receive, upload.file, upload.filename or "", param)
            self._received.append(file)
        else:
            file = await run_in_threadpool(self._mine.file, str(file_id))
        if not fits(file.media_type):
            raise ProblemError("unsupported_media", f"{param}: {file.media_type} is of the wrong kind", param=param)
        return file

    def files(self, job_id: str) -> tuple[FileRecord, ...]:
        """What was received, to be erased with the job."""
        return tuple(replace(file, job_id=job_id) for file in self._received)

    def keep(self) -> None:
        self._received.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.storage.remove(file.id for file in self._received)
