"""What a run is told: a YAML file, one of those that ship (`small`, `base-256`, `base-512`) or one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.talkinghead.difftalk.checkpoint import configuration_from_dict
from services.talkinghead.difftalk.configuration import CONFIGURATIONS, DiffTalkConfiguration, SpeechFeatures
from services.talkinghead.training.errors import TrainError

FOLDER: Final = Path(__file__).parent / "configurations"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageSettings(_Strict):
    """What all stages are told."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1, description="examples of one process at a time")
    accumulate: int = Field(1, ge=1, description="so many batches of each process make one step")
    rate: float = Field(gt=0, description="learning rate at its highest; it falls to a fiftieth in half a cosine")
    warmup_steps: int = Field(0, ge=0)


class FirstStageSettings(StageSettings):
    """Of the autoencoder (VQGAN, arXiv 2012.09841)."""

    crop_px: tuple[int, int] = Field(description="height and width of the pictures trained on")
    continuous_steps: int = Field(ge=0, description="before the codebook comes in")
    perceptual_weight: float = Field(ge=0)
    adversarial_weight: float = Field(ge=0)
    adversarial_from: int = Field(ge=0, description="step at which the discriminator comes in")


class DenoiserSettings(StageSettings):
    """Of the UNet that denoises latents (DiffTalk, arXiv 2301.03786)."""

    draft: bool = Field(description="the reference is a draft of the frame itself (True) or another frame, the paper's")
    highest_level: float = Field(gt=0, le=1, description="share of the noise levels that training visits")
    snr_gamma: float = Field(gt=0, description="of min-SNR weighting, arXiv 2303.09556")
    ema_decay: float = Field(ge=0, lt=1)
    audio_dropout: float = Field(ge=0, le=1, description="share of the examples that hear nothing")
    sync_weight: float = Field(ge=0, description="of the sync expert's loss; 0: no expert is trained")


class TrainingConfiguration(_Strict):
    """A whole run."""

    model: str | dict[str, Any] = Field(description="a name, or all sizes as `model_index.json` has them")
    speech_features: SpeechFeatures = Field(description="what the model hears")
    seed: int = Field(0, ge=0)
    precision: Literal["no", "fp16", "bf16"] = "no"
    weights_as: Literal["float32", "float16"] = Field("float32", description="how the finished model is stored")
    log_every: int = Field(50, ge=1, description="steps")
    save_every: int = Field(ge=1, description="steps")
    sample_every: int = Field(ge=1, description="steps")
    loaders: int = Field(0, ge=0, description="processes that draw examples; 0: the run's own")
    first_stage: FirstStageSettings
    sync_expert: StageSettings
    denoiser: DenoiserSettings

    @model_validator(mode="after")
    def _fits(self) -> "TrainingConfiguration":
        sizes = self.sizes(0)
        if sizes.refines_draft and not self.denoiser.draft:
            raise ValueError(f"denoiser.draft is False, but model {sizes.name!r} refines drafts")
        height, width = self.first_stage.crop_px
        factor, window = sizes.first_stage.factor, sizes.window
        if height % factor or width % factor or height > window.height or width > window.width:
            raise ValueError(
                f"first_stage.crop_px is {height} x {width}; it must be a multiple of {factor} and lie within the "
                f"model's {window.height} x {window.width}"
            )
        return self

    def sizes(self, audio_features: int) -> DiffTalkConfiguration:
        """The model to make, whose speech features have so many values."""
        if isinstance(self.model, str):
            if self.model not in CONFIGURATIONS:
                raise ValueError(f"model is {self.model!r}, one of {', '.join(sorted(CONFIGURATIONS))} is expected")
            sizes = CONFIGURATIONS[self.model]
        else:
            try:
                sizes = configuration_from_dict(self.model)
            except (KeyError, TypeError) as error:
                raise ValueError(f"model: these are not all sizes of a model ({error})") from None
        return replace(sizes, speech_features=self.speech_features, audio_features=audio_features)


RESUMED_FREELY: Final = frozenset({"log_every", "save_every", "sample_every", "loaders"})
"""What may change when a run goes on: nothing that is learnt depends on it."""


def load_configuration(name_or_path: str) -> TrainingConfiguration:
    """Read one that ships by its name, or a file. Raises TrainError naming file, key, value and rule."""
    path = FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        path = Path(name_or_path)
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        ours = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TrainError(f"config: {name_or_path} is none of ours ({ours}) and no file to read: {reason}") from None
    if not isinstance(told, dict):
        raise TrainError(f"config: {path} holds {type(told).__name__}, a mapping of settings is expected")
    try:
        return TrainingConfiguration.model_validate(told)
    except ValidationError as error:
        raise TrainError("; ".join(_in_words(path, each) for each in error.errors())) from None


def _in_words(path: Path, error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    value = f" is {error['input']!r}" if where and error["type"] != "missing" else ""
    return f"config: {path}: {where}{value}: {error['msg']}"
