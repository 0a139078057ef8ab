"""One call of the API as a value: what is sent, how the answer is read, and whether it may be sent twice."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import httpx
from pydantic import BaseModel

from services.common.errors import ProblemError

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

Media = Path | bytes
"""A file, read anew at every try, or its content."""

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"


@dataclass(frozen=True)
class Call(Generic[T]):
    """``repeatable``: sent twice it does no more than sent once, so that it may be sent again when nobody answered.

    What is None among ``params`` and ``form`` is left out; ``form`` values that are no plain text travel as JSON.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: BaseModel | Mapping[str, Any] | None = None
    form: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Media | None] = field(default_factory=dict)
    key: str | None = None
    repeatable: bool = True

    @contextmanager
    def content(self) -> Iterator[dict[str, Any]]:
        """Keyword arguments of ``httpx``'s ``build_request``; files are open as long as the context is."""
        with ExitStack() as opened:
            sent: dict[str, Any] = {"params": {name: value for name, value in self.params.items() if value is not None}}
            if self.key is not None:
                sent["headers"] = {IDEMPOTENCY_HEADER: self.key}
            if self.body is not None:
                given = self.body
                sent["json"] = given.model_dump(mode="json") if isinstance(given, BaseModel) else dict(given)
            if self.form:
                sent["data"] = {name: _field(value) for name, value in self.form.items() if value is not None}
            files = {name: media for name, media in self.files.items() if media is not None}
            if files:
                sent["files"] = {
                    name: (name, media)
                    if isinstance(media, bytes)
                    else (media.name, opened.enter_context(media.open("rb")))
                    for name, media in files.items()
                }
            yield sent


def answer(model: type[Model]) -> Callable[[httpx.Response], Model]:
    """Reads a JSON answer."""
    return lambda response: model.model_validate_json(response.content)


def text(response: httpx.Response) -> str:
    """The body as text."""
    return response.text


def content(response: httpx.Response) -> bytes:
    """The body as it is."""
    return response.content


def nothing(_: httpx.Response) -> None:
    """Of an answer without content."""


def problem_of(response: httpx.Response) -> ProblemError:
    """The problem that was answered. ``retry_after_s`` is among its ``extra`` where the gateway said when to return."""
    try:
        told = ProblemError.from_json(response.json())
    except ValueError:
        told = ProblemError("internal", f"{response.url} answered {response.status_code} without a problem")
    after = response.headers.get("Retry-After", "")
    if after.isdecimal():
        told.extra["retry_after_s"] = float(after)
    return told


def _field(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)
