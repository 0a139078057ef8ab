"""Settings of the perception service."""

from functools import lru_cache
from typing import Literal, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from services.common.settings import ServiceSettings


class PerceptionSettings(ServiceSettings):
    """What all services share, how much the service remembers, and which models look at a photo.

    ``profile`` are the small models that ship, which every profile of perception needs to find people.
    """

    memory_entries: int = Field(48, ge=0, description="results of stages kept in memory (three or four a photo)")
    memory_s: float = Field(300.0, ge=0, description="they are forgotten after this many seconds")
    perception_profile: Literal["tiny", "small", "full"] = Field(
        "tiny", description="small and full add the models of weights/perception/hub.json; they need raconteur[vision]"
    )
    segmenter: str | None = Field(None, description="a SAM instead: a folder, or owner/name@commit of the hub")
    vlm: str | None = Field(None, description="a BLIP-2 or chat model instead: a folder, or owner/name@commit")
    vlm_url: HttpUrl | None = Field(None, description="an OpenAI-compatible endpoint instead, up to and with /v1")
    vlm_model: str | None = Field(None, description="the model's name there")
    vlm_key: SecretStr | None = Field(None, description="the endpoint's key")
    leave_out_sensitive: bool = Field(False, description="never judge by a label that is flagged as sensitive")
    grid_points: int = Field(32, ge=1, le=64, description="of SAM's automatic masks, across and down")

    photos_at_once: int = Field(
        4, ge=1, le=64, description="worked on together where a vision-language model answers; they share its batches"
    )

    @property
    def asks_a_model_that_sees(self) -> bool:
        return self.perception_profile != "tiny" or self.vlm is not None or self.vlm_url is not None

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.vlm_url is None) != (self.vlm_model is None):
            raise ValueError("vlm_url, vlm_model: give both or neither")
        if self.vlm is not None and self.vlm_url is not None:
            raise ValueError("vlm, vlm_url: give one of the two")
        return self


@lru_cache
def perception_settings() -> PerceptionSettings:
    """The settings of this process."""
    return PerceptionSettings()
