"""Every call of the public API, one function each. The clients send them; what an argument means, the API's docs tell.

What makes a job has an ``idempotency_key``; without one it is given its own, so that a call that is sent again after a
lost connection makes one job.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from gateway.api.answers import (
    Answering,
    BuiltinTaxonomy,
    FileLinks,
    JobLinks,
    MessageList,
    MessageView,
    NewEvaluation,
    NewPrompt,
    PromptList,
    PromptView,
    RelationsAnswer,
    ScriptView,
    VerdictView,
    WebhookList,
    WebhookSecret,
    WebhookView,
)
from gateway.api.schemas import FileView, JobList, JobView
from gateway.client.call import Call, Media, answer, content, nothing, text
from gateway.jobs.state import JobStatus
from gateway.social_graph import SocialGraph
from gateway.webhooks.event import Event, MessageState
from services.perception.schemas import Box, Story
from services.reasoning.schemas import (
    Relation,
    SearchEstimate,
    SearchQuestion,
    ShippedPrompt,
    Taxonomy,
)
from services.talkinghead.schemas import MouthReport, VoicesReport

Pair = tuple[str, str]
Consent = Mapping[str, Any] | BaseModel
"""``subject``, ``basis`` (self, written, licensed, synthetic), ``reference``, ``given_on``."""

_TEN_MINUTES_S: Final = 600
_SHIPPED: Final = TypeAdapter(list[ShippedPrompt])

# --- photos ----------------------------------------------------------------------------------------------------------


def story(
    photo: Media,
    *,
    boxes: Sequence[Box] | None = None,
    omit: Sequence[str] | None = None,
    blur_faces: bool | None = None,
    masks: bool | None = None,
) -> Call[Story]:
    """Who and what is in a photo."""
    form = {"boxes": boxes, "omit": omit, "blur_faces": blur_faces, "masks": masks}
    return Call("POST", "/v1/stories", answer(Story), files={"photo": photo}, form=form)


def relations(
    photo: Media | None = None,
    *,
    story: str | None = None,
    pairs: Sequence[Pair] | None = None,
    boxes: Sequence[Box] | None = None,
    omit: Sequence[str] | None = None,
    blur_faces: bool | None = None,
    taxonomy: str | Taxonomy = "pisc",
    explain: bool | None = None,
    abstain_below: float | None = None,
    coverage: float | None = None,
    leave_out_sensitive: bool | None = None,
    prompt: str | None = None,
) -> Call[RelationsAnswer]:
    """How the people of a photo, or of a story, relate; ``taxonomy`` is pisc, pipa or an own one.

    ``prompt`` is the id of a stored one, or "shipped"; the active one if left out.
    """
    form = {
        "story": story,
        "pairs": pairs,
        "boxes": boxes,
        "omit": omit,
        "blur_faces": blur_faces,
        "taxonomy": taxonomy,
        "explain": explain,
        "abstain_below": abstain_below,
        "coverage": coverage,
        "leave_out_sensitive": leave_out_sensitive,
        "prompt": prompt,
    }
    return Call("POST", "/v1/relations", answer(RelationsAnswer), files={"photo": photo}, form=form)


def overlay(photo: Media, *, boxes: Sequence[Box] | None = None, blur_faces: bool | None = None) -> Call[bytes]:
    """A PNG of the photo with its people and things marked."""
    form = {"boxes": boxes, "blur_faces": blur_faces}
    return Call("POST", "/v1/overlays", content, files={"photo": photo}, form=form)


def draw_graph(graph: SocialGraph) -> Call[str]:
    """An SVG of the ``graph`` that relations answered."""
    return Call("POST", "/v1/graphs", text, body=graph)


# --- videos ----------------------------------------------------------------------------------------------------------


def video(
    portrait: Media | None,
    consent: Consent,
    *,
    portrait_id: str | None = None,
    speech: Media | None = None,
    speech_id: str | None = None,
    text: str | None = None,
    features: Media | None = None,
    features_id: str | None = None,
    idempotency_key: str | None = None,
    **options: Any,
) -> Call[JobView]:
    """A job: a portrait or a video speaks. ``options`` are further fields of ``POST /v1/videos`` (``steps``, ...)."""
    form = {"portrait_id": portrait_id, "speech_id": speech_id, "text": text, "features_id": features_id}
    files = {"portrait": portrait, "speech": speech, "features": features}
    return _job("/v1/videos", idempotency_key, form=form | options | {"consent": consent}, files=files)


def script(
    photo: Media | None = None,
    *,
    photo_id: str | None = None,
    story: str | None = None,
    relation: Relation | None = None,
    pair: Pair | None = None,
    **options: Any,
) -> Call[ScriptView]:
    """What a portrait would say of a photo or a story; of a ``relation`` that was answered before nobody is asked."""
    form = {"photo_id": photo_id, "story": story, "relation": relation, "pair": pair} | options
    return Call("POST", "/v1/narrations/scripts", answer(ScriptView), files={"photo": photo}, form=form)


def narration(
    photo: Media | None,
    portrait: Media | None,
    consent: Consent,
    *,
    photo_id: str | None = None,
    story: str | None = None,
    script: str | None = None,
    pair: Pair | None = None,
    portrait_id: str | None = None,
    idempotency_key: str | None = None,
    **options: Any,
) -> Call[JobView]:
    """A job: a portrait tells a photo, a story, or the words of ``script``."""
    form = {"photo_id": photo_id, "story": story, "script": script, "pair": pair, "portrait_id": portrait_id}
    files = {"photo": photo, "portrait": portrait}
    return _job("/v1/narrations", idempotency_key, form=form | options | {"consent": consent}, files=files)


def voices() -> Call[VoicesReport]:
    """Who can read a text aloud."""
    return Call("GET", "/v1/voices", answer(VoicesReport))


def verify(video: Media) -> Call[VerdictView]:
    """Was the video made here, from which job, and was it changed since?"""
    return Call("POST", "/v1/verify", answer(VerdictView), files={"video": video})


# --- files -----------------------------------------------------------------------------------------------------------


def upload(file: Media | None = None, *, url: str | None = None, expires_in_s: int | None = None) -> Call[FileView]:
    """Keep a file for several jobs, or what is at a ``url`` where the operator allows that."""
    form = {"url": url, "expires_in_s": expires_in_s}
    return Call("POST", "/v1/files", answer(FileView), files={"file": file}, form=form, repeatable=False)


def file(file_id: str) -> Call[FileView]:
    """Name, type, size, SHA-256 and expiry."""
    return Call("GET", f"/v1/files/{file_id}", answer(FileView))


def erase_file(file_id: str) -> Call[None]:
    """Erase a file, the finished jobs that read it and what they made."""
    return Call("DELETE", f"/v1/files/{file_id}", nothing)


def share_file(file_id: str, *, expires_in_s: int = _TEN_MINUTES_S) -> Call[FileLinks]:
    """A signed link to a file, for who cannot send a key."""
    return Call("POST", f"/v1/files/{file_id}/links", answer(FileLinks), body={"expires_in_s": expires_in_s})


# --- jobs ------------------------------------------------------------------------------------------------------------


def job(job_id: str) -> Call[JobView]:
    """A job as it stands."""
    return Call("GET", f"/v1/jobs/{job_id}", answer(JobView))


def jobs(
    *, status: JobStatus | str | None = None, kind: str | None = None, limit: int = 50, cursor: str | None = None
) -> Call[JobList]:
    """A page of jobs, newest first; ``cursor`` is the ``next_cursor`` of the page before."""
    params = {"status": status, "kind": kind, "limit": limit, "cursor": cursor}
    return Call("GET", "/v1/jobs", answer(JobList), params=params)


def cancel(job_id: str) -> Call[JobView]:
    """Stop a job."""
    return Call("POST", f"/v1/jobs/{job_id}/cancel", answer(JobView))


def repeat_job(job_id: str) -> Call[JobView]:
    """Make a job again that failed or was canceled, of the same files and the same question."""
    return Call("POST", f"/v1/jobs/{job_id}/repeat", answer(JobView), repeatable=False)


def erase_job(job_id: str) -> Call[None]:
    """Erase a finished job with its files."""
    return Call("DELETE", f"/v1/jobs/{job_id}", nothing)


def share_job(job_id: str, *, expires_in_s: int = _TEN_MINUTES_S) -> Call[JobLinks]:
    """Signed links to a job's result, stream, captions and events, for who cannot send a key."""
    return Call("POST", f"/v1/jobs/{job_id}/links", answer(JobLinks), body={"expires_in_s": expires_in_s})


def captions(job_id: str) -> Call[str]:
    """WebVTT of a video whose text was read aloud."""
    return Call("GET", f"/v1/jobs/{job_id}/captions.vtt", text)


def mouth(job_id: str) -> Call[MouthReport]:
    """How far the mouth of a finished video opens, frame by frame, and how loud it is."""
    return Call("GET", f"/v1/jobs/{job_id}/mouth", answer(MouthReport))


def playlist(job_id: str) -> Call[str]:
    """HLS of a video that is being made or is finished."""
    return Call("GET", f"/v1/jobs/{job_id}/stream.m3u8", text)


def stream_head(job_id: str) -> Call[bytes]:
    """What a player reads before a piece of the stream."""
    return Call("GET", f"/v1/jobs/{job_id}/stream/head.mp4", content)


def stream_piece(job_id: str, index: int) -> Call[bytes]:
    """A piece of the stream."""
    return Call("GET", f"/v1/jobs/{job_id}/stream/{index}.m4s", content)


# --- prompts ---------------------------------------------------------------------------------------------------------


def prompts(*, taxonomy: BuiltinTaxonomy | None = None) -> Call[PromptList]:
    """One's own prompts, newest first."""
    return Call("GET", "/v1/prompts", answer(PromptList), params={"taxonomy": taxonomy})


def prompt(prompt_id: str) -> Call[PromptView]:
    """A version with its four texts."""
    return Call("GET", f"/v1/prompts/{prompt_id}", answer(PromptView))


def shipped_prompts() -> Call[list[ShippedPrompt]]:
    """What answers where no other prompt is active."""
    return Call("GET", "/v1/prompts/shipped", lambda response: _SHIPPED.validate_json(response.content))


def create_prompt(new: NewPrompt) -> Call[PromptView]:
    """Store a version; it answers nothing until it is activated."""
    return Call("POST", "/v1/prompts", answer(PromptView), body=new, repeatable=False)


def activate_prompt(prompt_id: str) -> Call[PromptView]:
    """Let a prompt answer."""
    return Call("POST", f"/v1/prompts/{prompt_id}/activate", answer(PromptView))


def roll_back_prompt(taxonomy: BuiltinTaxonomy) -> Call[Answering]:
    """Undo the last activation."""
    path = "/v1/prompts/rollback"
    return Call("POST", path, answer(Answering), params={"taxonomy": taxonomy}, repeatable=False)


def erase_prompt(prompt_id: str) -> Call[None]:
    """Erase a prompt."""
    return Call("DELETE", f"/v1/prompts/{prompt_id}", nothing)


def estimate_search(question: SearchQuestion) -> Call[SearchEstimate]:
    """What a search would cost at most."""
    return Call("POST", "/v1/prompt-searches/estimate", answer(SearchEstimate), body=question)


def search_prompt(question: SearchQuestion, *, idempotency_key: str | None = None) -> Call[JobView]:
    """A job: search a better prompt on labelled stories."""
    return _job("/v1/prompt-searches", idempotency_key, body=question)


def evaluate(new: NewEvaluation, *, idempotency_key: str | None = None) -> Call[JobView]:
    """A job: judge the prompt that answers on labelled stories, or on annotated photos."""
    return _job("/v1/evaluations", idempotency_key, body=new)


# --- webhooks --------------------------------------------------------------------------------------------------------


def create_webhook(url: str, *, events: Sequence[Event] | None = None) -> Call[WebhookSecret]:
    """Have a server told of every job's end."""
    body = {"url": url} if events is None else {"url": url, "events": list(events)}
    return Call("POST", "/v1/webhooks", answer(WebhookSecret), body=body, repeatable=False)


def webhooks() -> Call[WebhookList]:
    """All of one's own."""
    return Call("GET", "/v1/webhooks", answer(WebhookList))


def webhook(webhook_id: str) -> Call[WebhookView]:
    """Where it is and what it hears of."""
    return Call("GET", f"/v1/webhooks/{webhook_id}", answer(WebhookView))


def rotate_webhook(webhook_id: str) -> Call[WebhookSecret]:
    """Give it a new secret."""
    return Call("POST", f"/v1/webhooks/{webhook_id}/rotate", answer(WebhookSecret), repeatable=False)


def erase_webhook(webhook_id: str) -> Call[None]:
    """Erase it with its messages."""
    return Call("DELETE", f"/v1/webhooks/{webhook_id}", nothing)


def messages(
    webhook_id: str, *, state: MessageState | str | None = None, limit: int = 50, cursor: str | None = None
) -> Call[MessageList]:
    """A page of what was told, newest first."""
    params = {"state": state, "limit": limit, "cursor": cursor}
    return Call("GET", f"/v1/webhooks/{webhook_id}/messages", answer(MessageList), params=params)


def redeliver(webhook_id: str, message_id: str) -> Call[MessageView]:
    """Tell it again."""
    path = f"/v1/webhooks/{webhook_id}/messages/{message_id}/redeliver"
    return Call("POST", path, answer(MessageView), repeatable=False)


# --- the running system ----------------------------------------------------------------------------------------------


def metrics() -> Call[str]:
    """Prometheus text."""
    return Call("GET", "/metrics", text)


def _job(path: str, key: str | None, **sent: Any) -> Call[JobView]:
    return Call("POST", path, answer(JobView), key=key or uuid.uuid4().hex, **sent)
