"""What the public API takes and answers about photos, links, prompts and webhooks; without routes, for clients, too."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.social_graph import SocialGraph
from gateway.webhooks.event import Event, MessageState
from services.perception.schemas import Person, Thing
from services.reasoning.schemas import (
    FittedCalibration,
    GroupReading,
    LabelledStories,
    Relation,
    Segments,
    TaxonomyChoice,
)

_ALL_EVENTS: Final = list(Event)

_RELATION_EXAMPLE: Final[dict[str, Any]] = {
    "pair": ["P1", "P2"],
    "label": "friends",
    "coarse": "intimate",
    "probabilities": {"friends": 0.62, "family": 0.21, "couple": 0.17},
    "abstained": False,
    "explanation": "<P1> and <P2> sit close together and laugh.",
    "evidence": [{"sentence": "<P1> and <P2> sit close together.", "weight": 0.41}],
}


class RelationsAnswer(BaseModel):
    """What ``/v1/stories`` answers (null or empty where a story was given) and the relation of each pair."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "width": None,
                    "height": None,
                    "people": [],
                    "objects": [],
                    "story": "<P1> and <P2> sit close together and laugh.",
                    "relations": [_RELATION_EXAMPLE],
                    "taxonomy": "pisc",
                    "prompt": "social-4@3f2a",
                    "model": "qwen2.5-0.5b",
                    "method": "phrases that end 'they are', mean over both orders of the pair",
                    "group": None,
                    "graph": {
                        "nodes": [{"id": "P1", "box": None}, {"id": "P2", "box": None}],
                        "edges": [{"source": "P1", "target": "P2", "label": "friends", "probability": 0.62}],
                    },
                    "warnings": [],
                    "timings_s": {"reasoning.score": 2.4},
                }
            ]
        }
    )

    width: int | None
    height: int | None
    people: list[Person]
    objects: list[Thing]
    story: str
    relations: list[Relation]
    taxonomy: str
    prompt: str
    model: str
    method: str
    group: GroupReading | None = Field(description="the labels of all pairs together; null where nothing joins them")
    graph: SocialGraph
    warnings: list[str]
    timings_s: dict[str, float] = Field(description="perception.* and reasoning.* stages")


STORY_EXAMPLE: Final = (
    "<P1>, a woman of about 30, is on the left. <P2>, a man of about 35, is on the right, next to <P1>."
)


_TOLD_RELATION: Final[dict[str, Any]] = {
    "pair": ["P1", "P2"],
    "label": "friends",
    "coarse": "intimate",
    "probabilities": {"friends": 0.62, "family": 0.38},
    "abstained": False,
    "explanation": "<P1> and <P2> are close together and smile.",
    "evidence": [],
}


_SCRIPT_EXAMPLE: Final[dict[str, Any]] = {
    "script": "I see two people: a woman on the left and a man on the right. The woman on the left and the man on the "
    "right seem to be friends. I say so because they are close together and smile. This is a guess and no more.",
    "story": STORY_EXAMPLE,
    "relation": _TOLD_RELATION,
    "warnings": [],
}


class ScriptView(BaseModel):
    """A script, and what it was written from."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SCRIPT_EXAMPLE]})

    script: str
    story: str
    relation: Relation
    warnings: list[str]


_LINK_QUERY: Final = "expires=1795615200&key=019a3c5e6a10c0ffee0123456789abcd&signature=5f0c"


_FILE_LINKS_EXAMPLE: Final[dict[str, Any]] = {
    "content": f"/v1/files/019a3c5e7f10c0ffee0123456789abcd/content?{_LINK_QUERY}",
    "expires_at": "2026-11-26T12:00:00Z",
}


_JOB_PATH: Final = "/v1/jobs/019a3c5e8a30c0ffee0123456789abcd"


_JOB_LINKS_EXAMPLE: Final = _FILE_LINKS_EXAMPLE | {
    "content": f"{_JOB_PATH}/content?{_LINK_QUERY}",
    "stream": f"{_JOB_PATH}/stream.m3u8?{_LINK_QUERY}",
    "captions": f"{_JOB_PATH}/captions.vtt?{_LINK_QUERY}",
    "events": f"{_JOB_PATH}/events?{_LINK_QUERY}",
}


class FileLinks(BaseModel):
    """Whoever has such a link may read what it names until ``expires_at``, or until the key that made it is revoked."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FILE_LINKS_EXAMPLE]})

    content: str = Field(description="path and query, relative to the API")
    expires_at: datetime


class JobLinks(FileLinks):
    """The same for a job: its result, its stream, its captions and its events."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB_LINKS_EXAMPLE]})

    stream: str = Field(description="HLS playlist; the pieces it names carry the same signature")
    captions: str = Field(description="WebVTT, of a job whose `captions` is not null")
    events: str


_VERDICT_EXAMPLE: Final[dict[str, Any]] = {
    "made_here": True,
    "job": "019a3c5e8a30c0ffee0123456789abcd",
    "changed": True,
    "credentials": None,
    "watermark": {"found": True, "score": 10.9, "threshold": 7.12},
}


class CredentialsView(BaseModel):
    """Content credentials (C2PA) that the file carries."""

    state: str = Field(description="trusted: signed by us and whole; valid: signed by another; invalid: changed since")
    signed_by: str
    job: str | None
    model: str | None
    inputs: dict[str, str] = Field(description="SHA-256 of what it was made of")


class WatermarkView(BaseModel):
    """The watermark is found where the score exceeds the threshold: wrong once in a million videos that have none."""

    found: bool
    score: float = Field(description="of the job that agrees best; at most 11.3")
    threshold: float = Field(description="grows with the number of jobs ever made")


class VerdictView(BaseModel):
    """What is known of a video. Nothing found proves nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VERDICT_EXAMPLE]})

    made_here: bool
    job: str | None = Field(description="the job that made it; it may be erased by now")
    changed: bool | None = Field(description="is it anything but the very file that the job made? null if not ours")
    credentials: CredentialsView | None
    watermark: WatermarkView


BuiltinTaxonomy = Literal["pisc", "pipa"]


class NewPrompt(Segments):
    """The four segments for a taxonomy; ``prompt.json`` of a search is one. The context names every label."""

    model_config = ConfigDict(extra="forbid")

    taxonomy: BuiltinTaxonomy
    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w .-]+$", examples=["my-pisc"])
    parent: str | None = Field(None, max_length=80, description="name@hash of the prompt that it was made from")
    model: str | None = Field(None, max_length=120, description="that it was made for")
    figures: dict[str, Any] | None = Field(None, description="of an evaluation")
    calibration: FittedCalibration | None = None


class PromptView(Segments):
    """A version of the prompt; it never changes."""

    id: str
    taxonomy: str
    name: str
    hash: str = Field(description="of the segments")
    parent: str | None
    model: str | None
    figures: dict[str, Any] | None
    calibration: FittedCalibration | None
    created_at: datetime
    active: bool


class NewEvaluation(BaseModel):
    """The JSON body of ``POST /v1/evaluations``: labelled stories, or a list of annotations with its photos."""

    model_config = ConfigDict(extra="forbid")

    stories: LabelledStories | None = None
    annotations: str | None = Field(
        None,
        min_length=1,
        max_length=1_000_000,
        description="a list as PIPA and PISC have them, ten columns a line: image, two boxes (x0 y0 x1 y1, pixels of "
        "the upright photo), number of the label in the taxonomy, from 0",
        examples=["photo.jpg 20 30 180 400 210 40 380 410 1"],
    )
    photos: dict[str, str] | None = Field(
        None,
        description="for each image of the annotations the id of an uploaded file",
        examples=[{"photo.jpg": "019a5b1f2c3d0123456789abcdef0123"}],
    )
    taxonomy: TaxonomyChoice = "pisc"


class PromptList(BaseModel):
    """Newest first. Where none is active, the prompt that ships answers."""

    prompts: list[PromptView]


class Answering(BaseModel):
    """Which prompt answers for a taxonomy; null where it is the one that ships."""

    taxonomy: str
    prompt: PromptView | None


_WEBHOOK_EXAMPLE: Final[dict[str, Any]] = {
    "id": "019a3c5e9b40c0ffee0123456789abcd",
    "url": "https://app.example/raconteur",
    "events": ["job.canceled", "job.failed", "job.succeeded"],
    "created_at": "2026-11-22T12:00:00Z",
    "disabled_at": None,
}


class NewWebhook(BaseModel):
    """Where to tell of jobs, and of which of their ends."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, description="https, on the open internet", examples=[_WEBHOOK_EXAMPLE["url"]])
    events: list[Event] = Field(
        _ALL_EVENTS, min_length=1, max_length=len(_ALL_EVENTS), description="all of them if left out"
    )


class WebhookView(BaseModel):
    """An endpoint."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK_EXAMPLE]})

    id: str
    url: str
    events: list[Event]
    created_at: datetime
    disabled_at: datetime | None = Field(description="it answered 410 Gone then and is told nothing; rotate undoes it")


class WebhookSecret(WebhookView):
    """An endpoint with its secret, which is not shown again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_WEBHOOK_EXAMPLE | {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}]}
    )

    secret: str = Field(description="verifies the signatures by any library of www.standardwebhooks.com")


class TryView(BaseModel):
    """One delivery that was tried."""

    at: datetime
    status: int | None = Field(description="of HTTP; null where there was no answer")
    reason: str | None = Field(description="why there was none")
    took_s: float


class MessageView(BaseModel):
    """What was, or will be, told about one job. Its `id` is the header `webhook-id` of each try."""

    id: str
    event: Event
    job_id: str
    state: MessageState
    created_at: datetime
    next_at: datetime | None = Field(description="when it is tried next; null unless it waits")
    tries: list[TryView] = Field(description="oldest first")


class MessageList(BaseModel):
    """One page of messages, newest first."""

    messages: list[MessageView]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")


class WebhookList(BaseModel):
    """All of the caller's."""

    webhooks: list[WebhookView]
