"""An OpenAI-compatible endpoint, as a server of that interface answers."""

import base64
import json
from collections.abc import Callable
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from services.common.errors import ProblemError
from services.perception.ask.endpoint import Endpoint
from services.perception.ask.vision_language import CAPTION

PICTURES = [np.full((20, 30, 3), grey, np.uint8) for grey in (40, 200)]


class Server:
    """Tells how bright the picture is, in the schema that it is asked for."""

    def __init__(self, *, logprobs: bool = True) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self._logprobs = logprobs

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/chat/completions"
        body = json.loads(request.content)
        self.bodies.append(body)
        self.headers.append(request.headers)
        picture, _ = body["messages"][0]["content"]
        pixels = cv2.imdecode(
            np.frombuffer(base64.b64decode(picture["image_url"]["url"].split(",")[1]), np.uint8), cv2.IMREAD_COLOR
        )
        choice: dict[str, Any] = {"message": {"content": self._content(body, int(pixels.mean()))}}
        if self._logprobs:
            top = [{"token": " A", "logprob": -0.2}, {"token": "B", "logprob": -2.0}, {"token": "x", "logprob": -3.0}]
            choice["logprobs"] = {"content": [{"token": " A", "logprob": -0.2, "top_logprobs": top}]}
        return httpx.Response(200, json={"choices": [choice]})

    @staticmethod
    def _content(body: dict[str, Any], brightness: int) -> str:
        if "response_format" not in body:
            return "A"
        names = body["response_format"]["json_schema"]["schema"]["required"]
        return json.dumps({name: f"{name} {brightness}" for name in names})


def endpoint(server: Callable[[httpx.Request], httpx.Response]) -> Endpoint:
    return Endpoint("http://vision/v1", "some-vlm", SecretStr("s3cret"), httpx.MockTransport(server))


def test_each_picture_travels_once_with_all_its_questions():
    server = Server()
    rows = endpoint(server).ask(PICTURES, [CAPTION, "How old?"], lambda: None)
    assert [[said.text for said in row] for row in rows] == [["a1 40", "a2 40"], ["a1 200", "a2 200"]]
    assert len(server.bodies) == len(PICTURES)
    assert rows[0][0].score == pytest.approx(np.exp(-0.2))
    assert {header["authorization"] for header in server.headers} == {"Bearer s3cret"}
    assert server.bodies[0]["temperature"] == 0 and server.bodies[0]["model"] == "some-vlm"


def test_a_server_without_probabilities_is_half_believed():
    (row,) = endpoint(Server(logprobs=False)).ask(PICTURES[:1], ["How old?"], lambda: None)
    assert row[0].score == 0.5


def test_a_choice_is_the_probability_of_its_letter():
    (scores,) = endpoint(Server()).choose(PICTURES[0], ["Who?"], ["friends", "family", "couple"], lambda: None)
    assert np.exp(scores).sum() == pytest.approx(1)
    assert scores[0] - scores[1] == pytest.approx(1.8, abs=1e-4) and scores[2] < -15


def test_a_choice_needs_probabilities():
    with pytest.raises(ProblemError, match="top_logprobs") as caught:
        endpoint(Server(logprobs=False)).choose(PICTURES[0], ["Who?"], ["a", "b"], lambda: None)
    assert caught.value.code == "model_unavailable"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(401), "model_unavailable"),
        (httpx.Response(429), "service_unavailable"),
        (httpx.Response(503), "service_unavailable"),
        (httpx.Response(200, text="<html>"), "model_unavailable"),
        (httpx.Response(200, json={"choices": []}), "model_unavailable"),
        (httpx.Response(200, json={"choices": [{"message": {"content": "I cannot help"}}]}), "model_unavailable"),
        (httpx.Response(200, json={"choices": [{"message": {"content": '{"a2": "x"}'}}]}), "model_unavailable"),
    ],
)
def test_an_answer_of_no_use_has_a_code(answer: httpx.Response, code: str):
    with pytest.raises(ProblemError) as caught:
        endpoint(lambda _: answer).ask(PICTURES[:1], ["How old?"], lambda: None)
    assert caught.value.code == code and "s3cret" not in str(caught.value)


def test_an_endpoint_that_is_away_is_told():
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ProblemError) as caught:
        endpoint(away).ask(PICTURES[:1], ["How old?"], lambda: None)
    assert caught.value.code == "service_unavailable"
