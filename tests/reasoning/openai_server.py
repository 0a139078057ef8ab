"""A small OpenAI-compatible server with a real model, and others beside it that have what real servers have: faults.

``python -m tests.reasoning.openai_server PORT MODEL.gguf CACHE``; the path chooses: ``/v1`` does all, ``/bare/v1``
knows neither log-probabilities nor schemas, ``/lying/v1`` answers log-probabilities that are none, ``/flaky/v1`` fails
twice before each answer, ``/slow/v1`` takes a second, ``/down/v1`` always fails, ``/mute/v1`` answers nothing,
``/locked/v1`` wants a key, ``/chatty/v1`` begins every answer with words. All but the first answer without the model.
"""

import asyncio
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from services.reasoning.llamacpp import LlamaCppModel, _Text

KINDS = ("bare", "lying", "flaky", "slow", "down", "mute", "locked", "chatty")


class Server:
    """What the routes share."""

    def __init__(self, path: Path, cache: Path) -> None:
        self._path, self._cache = path, cache
        self._model: LlamaCppModel | None = None
        self.systems: dict[str, Any] = {}
        self.calls = itertools.count()
        self.busy = self.most_busy = self.asked = 0
        self.rng = np.random.default_rng(0)

    def next_token(self, messages: list[dict[str, str]]) -> np.ndarray:
        """Log-probabilities after the chat, shape (vocabulary,)."""
        model = self._loaded()
        frame = model.chat_frame
        system = next((m["content"] for m in messages if m["role"] == "system"), "You are helpful.")
        user = messages[-1]["content"]
        if system not in self.systems:
            self.systems[system] = model.read([frame.before_system, system, frame.before_user])
        prefix = model.read([user], self.systems[system])
        last = model._tokens(frame.before_answer)
        found = model._feed([_Text(prefix.sequence, prefix.n_tokens, last, {len(last) - 1})])[0][len(last) - 1]
        model.release(prefix)
        return found

    def token_text(self, token: int) -> str:
        return str(self._loaded()._vocabulary.token_to_piece(token, 0, True))

    def _loaded(self) -> LlamaCppModel:
        if self._model is None:
            self._model = LlamaCppModel(self._path, "served", "0" * 64, self._cache, n_threads=1)
        return self._model


def answer(text: str, top: dict[str, float] | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if top is not None:
        listed = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in top.items()]
        choice["logprobs"] = {"content": [listed[0] | {"top_logprobs": listed}]}
    return {"object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 7}}


def make_app(path: Path, cache: Path) -> FastAPI:
    app, server = FastAPI(), Server(path, cache)

    @app.get("/stats")
    async def stats() -> dict[str, int]:
        return {"most_busy": server.most_busy, "asked": server.asked}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"data": [{"id": "smollm2"}, {"id": "other"}]}

    @app.post("/v1/chat/completions")
    async def chat(asked: dict[str, Any]) -> dict[str, Any]:
        logprobs = server.next_token(asked["messages"])
        if "response_format" in asked:
            letters = asked["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"]
            ids = [server._loaded()._tokens(letter)[0] for letter in letters]
            weights = np.exp(logprobs[ids] - logprobs[ids].max())
            chosen = letters[server.rng.choice(len(ids), p=weights / weights.sum())]
            return answer(f'{{"answer": "{chosen}"}}')
        order = np.argsort(logprobs)[::-1][: asked.get("top_logprobs") or 1]
        top = {server.token_text(int(token)): float(logprobs[token]) for token in order}
        return answer(next(iter(top)), top if asked.get("logprobs") else None)

    @app.get("/{kind}/v1/models")
    async def other_models(kind: str, request: Request) -> JSONResponse:
        if kind == "locked" and request.headers.get("authorization") != "Bearer sesame":
            raise HTTPException(401)
        if kind not in KINDS:
            raise HTTPException(404)
        return JSONResponse({"data": [{"id": kind}]})

    @app.post("/{kind}/v1/chat/completions")
    async def other_chat(kind: str, asked: dict[str, Any]) -> JSONResponse:
        server.busy += 1
        server.asked += 1
        server.most_busy = max(server.most_busy, server.busy)
        try:
            if kind == "slow":
                await asyncio.sleep(1.0)
            return JSONResponse(_faulty(kind, asked, next(server.calls)))
        finally:
            server.busy -= 1

    return app


def _faulty(kind: str, asked: dict[str, Any], call: int) -> dict[str, Any]:
    unknown = {"response_format"} if kind == "chatty" else {"response_format", "logprobs"}
    if kind in ("bare", "mute", "chatty") and unknown & set(asked):
        raise HTTPException(422, "unexpected field")
    if kind == "down" or (kind == "flaky" and call % 3 < 2):
        raise HTTPException(503, headers={"Retry-After": "0"})
    if kind == "mute":
        return answer("")
    top = {"A": -0.1, "B": -2.6} if "logprobs" in asked else None
    if kind == "lying" and top:
        top = {"A": 2.5, "B": 1.0}
    if kind == "chatty":
        return answer("Sure", {"Sure": -0.01, "Well": -5.0}) if top else answer("Sure, here it is.")
    letter = asked["messages"][-1]["content"].partition("family")[0].strip()[-1:] or "A"
    return answer(f'{{"answer": "{letter}"}}' if "response_format" in asked else f"{letter}.", top)


if __name__ == "__main__":
    uvicorn.run(make_app(Path(sys.argv[2]), Path(sys.argv[3])), port=int(sys.argv[1]), log_level="warning")
