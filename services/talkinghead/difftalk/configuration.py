"""Sizes of the DiffTalk models: `small` (shipped), `base-256` and `base-512` (the paper's)."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

LATENT_CHANNELS = 3
AUDIO_WINDOW = 16  # feature vectors of 20 ms per window (DiffTalk, section 3.2)
AUDIO_NEIGHBOURS = 8  # windows that temporal attention weighs (DiffTalk, section 3.2)
CONDITION_CHANNELS = 64  # D_A = D_L = 64 in the paper; one context token is their concatenation

SpeechFeatures: TypeAlias = Literal["actions", "deepspeech", "wav2vec2", "whisper"]
"""What a model hears of the speech; `speech.features` has a file for each."""


@dataclass(frozen=True)
class UNetConfiguration:
    """The denoiser: a UNet over [noisy, masked, reference] latents with one context token."""

    block_channels: tuple[int, ...]
    attention: tuple[bool, ...]
    """Per resolution, finest first: cross-attention to the context token or not."""
    layers_per_block: int
    head_channels: int = 32
    norm_groups: int = 32


@dataclass(frozen=True)
class FirstStageConfiguration:
    """The vector-quantised autoencoder. It shrinks by 2 to the power of (number of blocks - 1)."""

    block_channels: tuple[int, ...]
    layers_per_block: int
    codes: int
    middle_attention: bool = True
    norm_groups: int = 32

    @property
    def factor(self) -> int:
        """Pixels per latent cell along one axis."""
        return int(2 ** (len(self.block_channels) - 1))


@dataclass(frozen=True)
class PatchFirstStageConfiguration:
    """The light first stage of `small`, see `patch_autoencoder`."""

    factor: int
    """Pixels per latent cell along one axis."""
    channels: int
    blocks: int
    codes: int


@dataclass(frozen=True)
class NoiseSchedule:
    """Latent Diffusion's noise levels (linear in the square root of beta) and how DDIM walks them."""

    first_beta: float = 0.0015
    last_beta: float = 0.0195
    levels: int = 1000
    predicts: Literal["noise", "clean"] = "noise"
    spacing: Literal["leading", "trailing"] = "leading"
    """`leading` walks 901, ..., 101, 1 as the original does; `trailing` starts at the very last level."""
    ends_clean: bool = False
    """Whether the last step lands on the clean latent, or (as the original) on the first noise level."""


@dataclass(frozen=True)
class PixelWindow:
    """The part of the face square that the model works on, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class DiffTalkConfiguration:
    """All that defines a model but its weights."""

    name: str
    square_px: int
    window: PixelWindow
    unet: UNetConfiguration
    first_stage: FirstStageConfiguration | PatchFirstStageConfiguration
    schedule: NoiseSchedule
    audio_features: int
    """Values per feature vector: 29 DeepSpeech logits in the paper, 11 facial actions in `small`."""
    speech_features: SpeechFeatures = "deepspeech"
    landmark_centre_px: float = 0.0
    landmark_scale_px: float = 1.0
    """Landmarks enter as (pixel - centre) / scale; the paper's models take pixels as they are."""
    refines_draft: bool = False
    """True: the reference is an aligned draft of the target frame, the UNet predicts the change of it and sampling
    starts from the noised draft. False: as in the paper."""
    strength: float = 1.0
    """Where sampling starts: 1 at full noise, 0.5 half way down the noise levels."""


def whole_square(side_px: int) -> PixelWindow:
    """The window that covers the whole square."""
    return PixelWindow(top=0, left=0, height=side_px, width=side_px)


_PAPER_UNET = UNetConfiguration(
    block_channels=(256, 512, 768, 1024), attention=(False, True, True, True), layers_per_block=2
)

# The release's sizes (sstzal/DiffTalk, configs/latent-diffusion/talking.yaml).
BASE_256 = DiffTalkConfiguration(
    name="base-256",
    square_px=256,
    window=whole_square(256),
    unet=_PAPER_UNET,
    first_stage=FirstStageConfiguration(block_channels=(128, 256, 512), layers_per_block=2, codes=8192),
    schedule=NoiseSchedule(),
    audio_features=29,
)

BASE_512 = DiffTalkConfiguration(
    name="base-512",
    square_px=512,
    window=whole_square(512),
    unet=_PAPER_UNET,
    # The paper says f = 8 and no more; 1, 2, 2, 4 times 128 channels is what Latent Diffusion's own f = 8 models have.
    first_stage=FirstStageConfiguration(block_channels=(128, 256, 256, 512), layers_per_block=2, codes=8192),
    schedule=NoiseSchedule(),
    audio_features=29,
)

SMALL = DiffTalkConfiguration(
    name="small",
    square_px=128,
    # The mouth and most of the chin of an aligned square: eyes at y = 46, nose base at y = 74.
    window=PixelWindow(top=72, left=32, height=48, width=64),
    unet=UNetConfiguration(
        block_channels=(32, 64, 128, 192), attention=(False, False, True, True), layers_per_block=1, norm_groups=16
    ),
    first_stage=PatchFirstStageConfiguration(factor=2, channels=48, blocks=2, codes=8192),
    schedule=NoiseSchedule(predicts="clean", spacing="trailing", ends_clean=True),
    audio_features=11,
    speech_features="actions",
    landmark_centre_px=64.0,
    landmark_scale_px=32.0,
    refines_draft=True,
    strength=0.6,
)

CONFIGURATIONS = {c.name: c for c in (SMALL, BASE_256, BASE_512)}
