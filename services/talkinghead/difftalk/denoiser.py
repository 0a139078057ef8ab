"""The denoiser (DiffTalk, section 3.3): a UNet over [noisy, masked, reference], context [audio; landmarks]."""

from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from services.talkinghead.difftalk.audio_encoder import AudioEncoder
from services.talkinghead.difftalk.configuration import CONDITION_CHANNELS, LATENT_CHANNELS, DiffTalkConfiguration
from services.talkinghead.difftalk.landmark_encoder import LandmarkEncoder

RunUNet = Callable[[Tensor, Tensor | int, Tensor], Tensor]
"""(inputs (B, 9, h, w), noise level, context (B, 1, 128)) -> (B, 3, h, w)."""


def build_unet(configuration: DiffTalkConfiguration) -> UNet2DConditionModel:
    """An untrained UNet with 9 input channels and cross-attention to one token of 128."""
    unet, window = configuration.unet, configuration.window
    factor = configuration.first_stage.factor
    down = tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in unet.attention)
    up = tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(unet.attention))
    return UNet2DConditionModel(
        sample_size=(window.height // factor, window.width // factor),
        in_channels=3 * LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=unet.block_channels,
        layers_per_block=unet.layers_per_block,
        cross_attention_dim=2 * CONDITION_CHANNELS,
        # diffusers calls the number of heads `attention_head_dim` in this class
        attention_head_dim=tuple(channels // unet.head_channels for channels in unet.block_channels),
        norm_num_groups=unet.norm_groups,
    )


class Denoiser(nn.Module):
    """UNet and the encoders of its conditions."""

    def __init__(self, configuration: DiffTalkConfiguration) -> None:
        super().__init__()
        self.unet = build_unet(configuration)
        self.audio_encoder = AudioEncoder(configuration.audio_features)
        self.landmark_encoder = LandmarkEncoder(configuration.landmark_centre_px, configuration.landmark_scale_px)
        self.refines_draft = configuration.refines_draft
        self.accelerated: RunUNet | None = None
        """What stands in for `unet`, with the same weights; None: torch runs it, see `execution`."""
        if self.refines_draft:
            # An untrained model then returns its draft unchanged.
            nn.init.zeros_(self.unet.conv_out.weight)
            nn.init.zeros_(self.unet.conv_out.bias)

    def context(self, audio_windows: Tensor, landmarks: Tensor) -> Tensor:
        """Audio (B, 8, 16, C) and 68 landmarks (B, 68, 2) in pixels -> one context token (B, 1, 128)."""
        weight = next(self.landmark_encoder.parameters())  # while it is trained the whole network is on a GPU
        conditions = self.audio_encoder(audio_windows.to(weight)), self.landmark_encoder(landmarks.to(weight))
        return torch.cat(conditions, dim=1).unsqueeze(1).to(audio_windows)

    def forward(self, noisy: Tensor, level: Tensor | int, masked: Tensor, reference: Tensor, context: Tensor) -> Tensor:
        """One UNet call.

        Args:
            noisy, masked, reference: latents (B, 3, h, w).
            level: noise level, 0 (clean) to 999, for all or one for each (B,).
            context: (B, 1, 128).

        Returns:
            (B, 3, h, w): the noise in `noisy`, or the clean latent where the model refines a draft: `reference` is
            then pixel-aligned with the answer and the UNet predicts the change of it.
        """
        made = self._predict(torch.cat([noisy, masked, reference], dim=1), level, context)
        return reference + made if self.refines_draft else made

    def _predict(self, inputs: Tensor, level: Tensor | int, context: Tensor) -> Tensor:
        """The UNet's own answer, wherever it is run."""
        if self.accelerated is not None:
            return self.accelerated(inputs, level, context)
        weight = self.unet.conv_in.weight
        made: Tensor = self.unet(inputs.to(weight), torch.as_tensor(level).to(weight.device), context.to(weight)).sample
        return made.to(inputs)
