"""A small client of the REST API. Each call raises ``ProblemError`` with the code that the gateway answered."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from services.common.errors import ProblemError

_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
_PAUSE_S: Final = 0.5
_RECONNECTS: Final = 20
_FINISHED: Final = ("succeeded", "failed", "canceled")

Json = dict[str, Any]


class Raconteur:
    """The gateway at ``url``, called with ``key`` where it asks for one. Answers are the API's JSON objects."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def alive(self) -> bool:
        """Does the gateway answer?"""
        try:
            return self._http.get("/livez", timeout=2).is_success
        except httpx.TransportError:
            return False

    def story(self, photo: Path, boxes: str | None = None) -> Json:
        """Photo -> people, objects, story. ``boxes``: people's boxes as JSON."""
        return self._upload("/v1/stories", {"photo": photo}, {"boxes": boxes})

    def overlay(self, photo: Path, target: Path, boxes: str | None = None) -> None:
        """Write the photo with its people and things marked to ``target``, as a PNG."""
        with photo.open("rb") as file:
            fields = {} if boxes is None else {"boxes": boxes}
            target.write_bytes(self._answer("POST", "/v1/overlays", files={"photo": file}, data=fields).content)

    def relations(
        self, photo: Path, *, pairs: str | None = None, boxes: str | None = None, taxonomy: str = "pisc"
    ) -> Json:
        """Photo -> relations. ``pairs`` and ``boxes`` are JSON, ``taxonomy`` is pisc, pipa or JSON."""
        return self._upload("/v1/relations", {"photo": photo}, {"pairs": pairs, "boxes": boxes, "taxonomy": taxonomy})

    def video(
        self,
        portrait: Path,
        consent: Json,
        *,
        speech: Path | None = None,
        features: Path | None = None,
        **fields: str | float | None,
    ) -> Json:
        """Portrait or video, and speech (or the field ``text``) -> the job that makes the video.

        ``consent``: subject, basis (self, written, licensed, synthetic), reference, given_on. ``fields`` are those of
        ``POST /v1/videos``; None leaves one out.
        """
        files = {"portrait": portrait, "speech": speech, "features": features}
        given = {name: file for name, file in files.items() if file is not None}
        return self._upload("/v1/videos", given, fields | {"consent": json.dumps(consent)})

    def verify(self, video: Path) -> Json:
        """Was the video made here, from which job, and was it changed since?"""
        return self._upload("/v1/verify", {"video": video}, {})

    def job(self, job_id: str) -> Json:
        return self._json("GET", f"/v1/jobs/{job_id}")

    def jobs(self, status: str | None = None, limit: int = 20) -> list[Json]:
        """Newest first."""
        params = {"limit": limit} | ({"status": status} if status else {})
        answer: list[Json] = self._json("GET", "/v1/jobs", params=params)["jobs"]
        return answer

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job_id}/cancel")

    def follow(self, job_id: str) -> Iterator[Json]:
        """The job each time it changes, until it is finished; comes back by itself when the connection breaks."""
        seen, breaks = "", 0
        while True:
            try:
                headers = {"Last-Event-ID": seen} if seen else {}
                with self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as events:
                    if events.is_error:
                        events.read()
                        raise _problem(events)
                    for line in events.iter_lines():
                        if line.startswith("id: "):
                            seen = line[4:]
                        elif line.startswith("data: "):
                            job: Json = json.loads(line[6:])
                            yield job
                            if job["status"] in _FINISHED:
                                return
            except httpx.TransportError as error:
                breaks += 1
                if breaks > _RECONNECTS:
                    raise _away(error) from error
            time.sleep(_PAUSE_S)

    def download(self, job_id: str, target: Path) -> None:
        """Write a finished job's file to ``target``, whole or not at all."""
        part = target.with_name(f".{target.name}.part")
        try:
            with self._http.stream("GET", f"/v1/jobs/{job_id}/content") as answer:
                if answer.is_error:
                    answer.read()
                    raise _problem(answer)
                with part.open("wb") as file:
                    for block in answer.iter_bytes():
                        file.write(block)
            part.replace(target)
        except httpx.TransportError as error:
            raise _away(error) from error
        finally:
            part.unlink(missing_ok=True)

    def _upload(self, path: str, files: dict[str, Path], fields: Mapping[str, str | float | None]) -> Json:
        with ExitStack() as opened:
            streams = {name: (file.name, opened.enter_context(file.open("rb"))) for name, file in files.items()}
            given = {name: value for name, value in fields.items() if value is not None}
            return self._json("POST", path, files=streams, data=given)

    def _json(self, method: str, path: str, **content: Any) -> Json:
        body: Json = self._answer(method, path, **content).json()
        return body

    def _answer(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise _away(error) from error
        if answer.is_error:
            raise _problem(answer)
        return answer


def _problem(answer: httpx.Response) -> ProblemError:
    try:
        return ProblemError.from_json(answer.json())
    except ValueError:
        return ProblemError("internal", f"{answer.url} answered {answer.status_code} without a problem")


def _away(error: httpx.TransportError) -> ProblemError:
    return ProblemError("service_unavailable", f"the gateway cannot be reached: {type(error).__name__}")
