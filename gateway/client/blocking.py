"""The client whose calls wait for their answer."""

import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from gateway.api.schemas import JobView
from gateway.client import calls
from gateway.client.call import Call, problem_of
from gateway.client.connection import PROBE_S, connection, whole
from gateway.client.following import PAUSE_S, Following, finished, succeeded
from gateway.client.patience import Patience, away

P = ParamSpec("P")
T = TypeVar("T")


def _sent(build: Callable[P, Call[T]]) -> Callable[Concatenate["Raconteur", P], T]:
    """The call as a method."""

    @wraps(build)
    def method(client: "Raconteur", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.send(build(*args, **kwargs))

    return method


class Raconteur:
    """The gateway at ``url``, called with ``key`` where it asks for one; tried again as ``patience`` says."""

    def __init__(self, url: str, key: str | None = None, *, patience: Patience | None = None) -> None:
        self._http = httpx.Client(**connection(url, key))
        self._patience = patience or Patience()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send a call, again where that may help -> what its answer says. Raises ``ProblemError``."""
        for pause in self._patience.pauses():
            try:
                with call.content() as content:
                    response = self._http.request(call.method, call.path, **content)
            except httpx.TransportError as error:
                time.sleep(pause.after_break(call, error))
                continue
            seconds = pause.after_answer(call, response)
            if seconds is None:
                return call.read(response)
            time.sleep(seconds)
        raise AssertionError("the last pause raises")

    story = _sent(calls.story)
    relations = _sent(calls.relations)
    overlay = _sent(calls.overlay)
    draw_graph = _sent(calls.draw_graph)
    video = _sent(calls.video)
    script = _sent(calls.script)
    narration = _sent(calls.narration)
    voices = _sent(calls.voices)
    verify = _sent(calls.verify)
    upload = _sent(calls.upload)
    file = _sent(calls.file)
    erase_file = _sent(calls.erase_file)
    share_file = _sent(calls.share_file)
    job = _sent(calls.job)
    jobs = _sent(calls.jobs)
    cancel = _sent(calls.cancel)
    repeat_job = _sent(calls.repeat_job)
    erase_job = _sent(calls.erase_job)
    share_job = _sent(calls.share_job)
    captions = _sent(calls.captions)
    mouth = _sent(calls.mouth)
    playlist = _sent(calls.playlist)
    stream_head = _sent(calls.stream_head)
    stream_piece = _sent(calls.stream_piece)
    prompts = _sent(calls.prompts)
    prompt = _sent(calls.prompt)
    shipped_prompts = _sent(calls.shipped_prompts)
    create_prompt = _sent(calls.create_prompt)
    activate_prompt = _sent(calls.activate_prompt)
    roll_back_prompt = _sent(calls.roll_back_prompt)
    erase_prompt = _sent(calls.erase_prompt)
    estimate_search = _sent(calls.estimate_search)
    search_prompt = _sent(calls.search_prompt)
    evaluate = _sent(calls.evaluate)
    create_webhook = _sent(calls.create_webhook)
    webhooks = _sent(calls.webhooks)
    webhook = _sent(calls.webhook)
    rotate_webhook = _sent(calls.rotate_webhook)
    erase_webhook = _sent(calls.erase_webhook)
    messages = _sent(calls.messages)
    redeliver = _sent(calls.redeliver)
    metrics = _sent(calls.metrics)

    def alive(self) -> bool:
        """Does the gateway answer?"""
        try:
            return self._http.get("/livez", timeout=PROBE_S).is_success
        except httpx.TransportError:
            return False

    def ready(self) -> dict[str, str]:
        """Each part and its state: ``ready`` or why not. Raises ``service_unavailable``."""
        try:
            states: dict[str, str] = self._http.get("/readyz").json()["parts"]
        except httpx.TransportError as error:
            raise away(error) from error
        return states

    def wait(self, job_id: str, on_change: Callable[[JobView], Any] | None = None) -> JobView:
        """The job once it has succeeded; ``on_change`` hears of all that changes.

        Raises the error of a job that failed, ``canceled`` of one that was stopped.
        """
        for job in self.follow(job_id):
            if on_change is not None:
                on_change(job)
        return succeeded(job)

    def follow(self, job_id: str) -> Iterator[JobView]:
        """The job each time it changes, until it is finished; comes back by itself when the connection breaks."""
        for job in self._events(f"/v1/jobs/{job_id}/events", Following()):
            yield job
            if finished(job):
                return

    def follow_all(self, since: str = "") -> Iterator[JobView]:
        """All jobs as they change, without an end; ``since`` is the id of an event."""
        yield from self._events("/v1/jobs/events", Following(since))

    def _events(self, path: str, following: Following) -> Iterator[JobView]:
        while True:
            try:
                with self._http.stream("GET", path, headers=following.headers) as response:
                    if response.is_error:
                        response.read()
                        raise problem_of(response)
                    for line in response.iter_lines():
                        job = following.hear(line)
                        if job is not None:
                            yield job
            except httpx.TransportError as error:
                following.broke(error)
            time.sleep(PAUSE_S)

    def download(self, job_id: str, target: Path) -> None:
        """Write what a job made to ``target``: block by block, and whole or not at all."""
        self._download(f"/v1/jobs/{job_id}/content", target)

    def download_file(self, file_id: str, target: Path) -> None:
        """Write a stored file to ``target``: block by block, and whole or not at all."""
        self._download(f"/v1/files/{file_id}/content", target)

    def _download(self, path: str, target: Path) -> None:
        call = Call("GET", path, lambda _: None)
        for pause in self._patience.pauses():
            try:
                with self._http.stream("GET", path) as response:
                    if not response.is_error:
                        with whole(target) as file:
                            for block in response.iter_bytes():
                                file.write(block)
                        return
                    response.read()
                    seconds = pause.after_answer(call, response)
            except httpx.TransportError as error:
                seconds = pause.after_break(call, error)
            time.sleep(seconds or 0)
