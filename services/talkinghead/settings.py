"""Settings of the talking-head service, beside those that all services share."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field

from services.common.settings import ServiceSettings


class TalkingHeadSettings(ServiceSettings):
    """Each field is the environment variable ``RACONTEUR_<FIELD>``."""

    talkinghead_model: Path | None = Field(
        None, description="folder of a DiffTalk model, as `import` writes it; the small one that ships if left out"
    )
    max_speech_s: float = Field(3600.0, gt=0, le=3600, description="longest speech, in seconds")
    max_source_s: float = Field(300.0, gt=0, le=3600, description="longest video to be voiced anew, in seconds")
    inputs_max_bytes: int = Field(
        2 * 1024**3, ge=1024, description="disk in cache_dir for sources and tracks, held so that each travels once"
    )
    inputs_kept_s: float = Field(900.0, gt=0, description="a source that nobody uses for so long is erased")
    max_source_pixels: int = Field(
        3840 * 2160, ge=64 * 64, description="pixels a frame of the largest video to be voiced anew"
    )
    portraits_kept: int = Field(4, ge=1, le=64, description="analysed portraits held in memory")


@lru_cache
def talkinghead_settings() -> TalkingHeadSettings:
    """The settings of this process."""
    return TalkingHeadSettings()
