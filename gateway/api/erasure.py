"""What was erased here must not live on in the cache of a service."""

import asyncio
from typing import Final

import structlog

from gateway.api.parts import Parts
from services.common.errors import ProblemError

_PATIENCE_S: Final = 2.0

log = structlog.get_logger()


async def erase_held(parts: Parts, sha256: str, request_id: str) -> None:
    """Ask the talking head to let go of an input.

    One that cannot be asked lost it with its process, or lets go of it once it is idle: what was asked here is done.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await parts.talkinghead.erase(sha256, request_id)
    except (ProblemError, TimeoutError) as error:
        log.warning("held_input_not_erased", reason=getattr(error, "code", type(error).__name__))
