"""/v1/voices: who reads a text aloud."""

from fastapi import APIRouter

from gateway.api.parts import PartsDep, RequestId
from gateway.api.problems import problems
from services.talkinghead.schemas import VoicesReport

router = APIRouter(prefix="/v1/voices", tags=["videos"])


@router.get("", summary="Who can read a text aloud", responses=problems("service_unavailable", "model_unavailable"))
async def voices(parts: PartsDep, request_id: RequestId) -> VoicesReport:
    """Names for `voice` of `POST /v1/videos`; the first one is taken where none is given.

    `curl http://127.0.0.1:8000/v1/voices`
    """
    return await parts.talkinghead.voices(request_id)
