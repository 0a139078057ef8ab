"""The product's gateway with a named point: ``uvicorn --factory tests.chaos.gateway:build_app``."""

from gateway.app import build_app
from tests.chaos.points import arm

arm()

__all__ = ["build_app"]
