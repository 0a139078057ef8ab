"""The three services' fakes as a process that can be killed: ``uvicorn --factory tests.chaos.service:build_app``."""

import os

from fastapi import FastAPI

from tests.gateway.fakes import Fakes, fake_app


def build_app() -> FastAPI:
    return fake_app(Fakes(segment_s=float(os.environ["SEGMENT_S"])))
