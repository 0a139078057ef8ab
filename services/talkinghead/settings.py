"""Settings of the talking-head service, beside those that all services share."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field

from services.common.settings import ServiceSettings
from services.talkinghead.difftalk.execution import Device, Engine, Execution, Precision


class TalkingHeadSettings(ServiceSettings):
    """Each field is the environment variable ``RACONTEUR_<FIELD>``."""

    talkinghead_model: Path | None = Field(
        None, description="folder of a DiffTalk model, as `import` writes it; the small one that ships if left out"
    )
    device: Device | None = Field(None, description="where the networks run; a GPU where there is one if left out")
    engine: Engine | None = Field(
        None, description="what runs the UNet; if left out onnxruntime on a CPU in fp32, else torch"
    )
    precision: Precision = Field("fp32", description="of the networks; half precision pays on a GPU")
    channels_last: bool = Field(False, description="memory order of the networks; pays on a GPU in half precision")
    compile: bool = Field(False, description="the UNet by torch.compile; the first call takes a minute or more")
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

    @property
    def execution(self) -> Execution:
        return Execution(self.device, self.engine, self.precision, self.channels_last, self.compile)

    @property
    def model_name(self) -> str:
        """As a made video tells it."""
        return "difftalk-small" if self.talkinghead_model is None else self.talkinghead_model.name


@lru_cache
def talkinghead_settings() -> TalkingHeadSettings:
    """The settings of this process."""
    return TalkingHeadSettings()
