"""Settings of the perception service."""

from functools import lru_cache

from pydantic import Field

from services.common.settings import ServiceSettings


class PerceptionSettings(ServiceSettings):
    """What all services share, and how much the service remembers."""

    memory_entries: int = Field(48, ge=0, description="results of stages kept in memory (three or four a photo)")
    memory_s: float = Field(300.0, ge=0, description="they are forgotten after this many seconds")


@lru_cache
def perception_settings() -> PerceptionSettings:
    """The settings of this process."""
    return PerceptionSettings()
