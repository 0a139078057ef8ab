"""Settings of the reasoning service."""

from functools import lru_cache
from typing import Literal

from pydantic import Field, SecretStr

from services.common.settings import ServiceSettings
from services.reasoning.schemas import Method
from services.reasoning.scoring import DEFAULT_METHOD


class ReasoningSettings(ServiceSettings):
    """What all services share, and which language model of ``weights/reasoning/models.json`` to load."""

    llm: str = Field(
        "qwen2.5-1.5b",
        description="role of the profile in weights/reasoning/models.json, a folder of the hub's layout, or the "
        "address of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1",
    )
    llm_runtime: Literal["llama.cpp", "transformers"] = Field(
        "llama.cpp", description="transformers also runs on GPUs and gives prompt search its gradients"
    )
    llm_model: str = Field("", description="name of the model at a server; its first one if left out")
    llm_key: SecretStr = Field(SecretStr(""), description="key of a server")
    llm_timeout_s: float = Field(60.0, gt=0, description="for one answer of a server")
    llm_concurrency: int = Field(4, ge=1, le=64, description="requests to a server at a time")
    llm_retries: int = Field(3, ge=0, le=10, description="times that a request to a server is tried again")
    scoring: Method = Field(DEFAULT_METHOD, description="how the model is asked for probabilities")
    leave_out_sensitive: bool = Field(False, description="never answer with a label that is flagged as sensitive")


@lru_cache
def reasoning_settings() -> ReasoningSettings:
    """The settings of this process."""
    return ReasoningSettings()
