"""/: points to what can be called."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

router = APIRouter(tags=["health"])


class Welcome(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Raconteur", "docs": "/docs", "openapi": "/openapi.json"}]}
    )

    name: str
    docs: str
    openapi: str


@router.get("/", summary="What is this?")
async def welcome() -> Welcome:
    """Where the documentation of the API is."""
    return Welcome(name="Raconteur", docs="/docs", openapi="/openapi.json")
