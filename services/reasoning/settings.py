"""Settings of the reasoning service."""

from functools import lru_cache
from typing import Literal

from pydantic import Field

from services.common.settings import ServiceSettings


class ReasoningSettings(ServiceSettings):
    """What all services share, and which language model of ``weights/reasoning/models.json`` to load."""

    llm: str = Field(
        "qwen2.5-1.5b",
        description="role of the profile in weights/reasoning/models.json, or a folder of the hub's layout",
    )
    llm_runtime: Literal["llama.cpp", "transformers"] = Field(
        "llama.cpp", description="transformers also runs on GPUs and gives prompt search its gradients"
    )
    leave_out_sensitive: bool = Field(False, description="never answer with a label that is flagged as sensitive")


@lru_cache
def reasoning_settings() -> ReasoningSettings:
    """The settings of this process."""
    return ReasoningSettings()
