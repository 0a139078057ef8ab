"""A service made of Raconteur's own parts: ``python raconteur_server.py PORT``."""

import sys
from typing import Final

import uvicorn
from fastapi import APIRouter, Request
from pydantic import BaseModel

from benchmarks.peers.model import predict
from services.common.app import create_app
from services.common.runner import ModelRunner

router: Final = APIRouter()
runner: Final = ModelRunner(1024)


class Question(BaseModel):
    values: list[float]


class Answer(BaseModel):
    output: float


@router.post("/predict")
async def answer(asked: Question, request: Request) -> Answer:
    return Answer(output=await runner.run(request, lambda _stop: predict(asked.values)))


async def ready() -> dict[str, str]:
    return {"model": "ready"}


if __name__ == "__main__":
    app = create_app(title="peer", version="1", routers=[router], ready=ready, max_body_bytes=1 << 20)
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
