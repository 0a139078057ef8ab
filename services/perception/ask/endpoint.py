"""A vision-language model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, SGLang, a vendor's).

A picture travels in one request with all its questions; the answers come back as JSON of a fixed schema.
"""

import base64
import json
import string
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import cv2
import httpx
import numpy as np
from pydantic import SecretStr

from services.common.errors import ProblemError
from services.common.onnx_model import Float
from services.perception.ask.vision_language import CAPTION_REQUEST, TEXT_IS_NO_ORDER, Check, Said
from services.perception.segment.masks import Pixels

TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)
_AT_ONCE: Final = 8
_TOP: Final = 20
"""Most alternatives of a token that servers tell."""

_UNSEEN: Final = -20.0
"""Log-probability of a choice that is not among the alternatives told."""

_UNTOLD_SCORE: Final = 0.5
"""Of an answer of a server that tells no probabilities: told as what seems to be."""

_MAX_TOKENS: Final = 400

Made = TypeVar("Made")


class Endpoint:
    """See ``VisionLanguageModel``. ``requests`` counts calls."""

    def __init__(
        self, url: str, model: str, key: SecretStr | None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """``url`` up to and with ``/v1``."""
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, transport=transport)
        self._model, self.requests = model, 0

    @property
    def name(self) -> str:
        return self._model

    def ask(self, pictures: Sequence[Pixels], questions: Sequence[str], check: Check) -> list[list[Said]]:
        """Raises ``service_unavailable`` where nobody answers, ``model_unavailable`` where the answer is of no use."""
        names = [f"a{number}" for number in range(1, len(questions) + 1)]
        listed = "\n".join(
            f"{name}: {question or CAPTION_REQUEST}" for name, question in zip(names, questions, strict=True)
        )
        schema = {
            "type": "object",
            "properties": {name: {"type": "string", "maxLength": 200} for name in names},
            "required": names,
            "additionalProperties": False,
        }
        text = f"Answer each question about the picture in a few words. {TEXT_IS_NO_ORDER}\n{listed}"
        told = {"response_format": {"type": "json_schema", "json_schema": {"name": "answers", "schema": schema}}}

        def one(picture: Pixels) -> list[Said]:
            check()
            choice = self._request(picture, text, max_tokens=_MAX_TOKENS, logprobs=True, **told)
            return _answers(choice, names, self._model)

        return self._together(one, pictures)

    def choose(self, picture: Pixels, questions: Sequence[str], choices: Sequence[str], check: Check) -> Float:
        """By the first token of a letter. Raises ``model_unavailable`` where the endpoint tells no probabilities."""
        letters = string.ascii_uppercase[: len(choices)]
        listed = "\n".join(f"{letter}: {choice}" for letter, choice in zip(letters, choices, strict=True))

        def one(question: str) -> Float:
            check()
            text = f"{question}\n{listed}\n{TEXT_IS_NO_ORDER} Answer with one letter."
            choice = self._request(picture, text, max_tokens=1, logprobs=True, top_logprobs=_TOP)
            return _letter_scores(choice, letters, self._model)

        return np.stack(self._together(one, questions))

    def _together(self, work: Callable[[Any], Made], inputs: Sequence[Any]) -> list[Made]:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="vision") as pool:
            return list(pool.map(work, inputs))

    def _request(self, picture: Pixels, text: str, **options: Any) -> dict[str, Any]:
        """The picture comes first, so that a server can keep what it read of it."""
        content = [
            {"type": "image_url", "image_url": {"url": _as_url(picture)}},
            {"type": "text", "text": text},
        ]
        body = {"model": self._model, "temperature": 0, "messages": [{"role": "user", "content": content}], **options}
        self.requests += 1
        try:
            answer = self._http.post("chat/completions", json=body)
        except httpx.TransportError as error:
            raise ProblemError(
                "service_unavailable", f"the vision endpoint cannot be reached: {type(error).__name__}"
            ) from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise ProblemError("service_unavailable", f"the vision endpoint answered {answer.status_code}")
        if answer.is_error:
            raise ProblemError("model_unavailable", f"the vision endpoint answered {answer.status_code}")
        try:
            choice: dict[str, Any] = answer.json()["choices"][0]
        except (ValueError, LookupError, TypeError):
            raise _unusable(self._model, "no chat completion") from None
        return choice


def _answers(choice: dict[str, Any], names: Sequence[str], model: str) -> list[Said]:
    try:
        told = json.loads(choice["message"]["content"])
        words = [str(told[name]) for name in names]
    except (ValueError, LookupError, TypeError):
        raise _unusable(model, "no JSON of the schema that was asked for") from None
    tokens = (choice.get("logprobs") or {}).get("content") or []
    score = float(np.exp(np.mean([token["logprob"] for token in tokens]))) if tokens else _UNTOLD_SCORE
    return [Said(text, score) for text in words]


def _letter_scores(choice: dict[str, Any], letters: str, model: str) -> Float:
    try:
        alternatives = choice["logprobs"]["content"][0]["top_logprobs"]
        told = [(str(one["token"]).strip(), float(one["logprob"])) for one in alternatives]
    except (LookupError, TypeError, ValueError):
        raise _unusable(model, "no probabilities (top_logprobs), which a choice needs") from None
    scores = [
        np.logaddexp.reduce([_UNSEEN, *(logprob for token, logprob in told if token == letter)]) for letter in letters
    ]
    return np.asarray(scores - np.logaddexp.reduce(scores), np.float32)


def _as_url(picture: Pixels) -> str:
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"


def _unusable(model: str, what: str) -> ProblemError:
    return ProblemError("model_unavailable", f"the vision endpoint answered for {model} with {what}")
