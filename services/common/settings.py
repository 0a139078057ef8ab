"""Settings that every service shares, read once from the environment (prefix ``RACONTEUR_``)."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parents[2]


class ServiceSettings(BaseSettings):
    """How a service runs. Each field is the environment variable ``RACONTEUR_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="RACONTEUR_", extra="ignore")

    profile: Literal["tiny"] = Field("tiny", description="which models of weights/*/models.json to load")
    weights_dir: Path = Field(REPOSITORY / "weights", description="folder of the models that ship with the project")
    cache_dir: Path = Field(Path.home() / ".cache" / "raconteur", description="joined model files and prepared prompts")
    threads: int = Field(2, ge=1, le=256, description="CPU threads of one model call")
    queue_length: int = Field(16, ge=1, le=1024, description="requests that may wait for the model before 503")
    max_upload_bytes: int = Field(200 * 1024 * 1024, ge=1024, description="largest request body a service takes")


@lru_cache
def service_settings() -> ServiceSettings:
    """The settings of this process."""
    return ServiceSettings()
