"""The small model's first stage: a vector-quantised autoencoder light enough for one CPU core.

Pixels are folded into channels (space to depth), a linear code of each patch is mended by residual convolutions, and
the decoder mirrors it. Untrained it is a plain shrinking and enlarging, so a short training is spent on detail alone;
without normalisation layers the light and contrast of a picture pass straight through. It answers to the calls of
diffusers' VQModel, which the paper's models use.
"""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, VectorQuantizer
from diffusers.models.autoencoders.vq_model import VQEncoderOutput
from torch import Tensor, nn

from services.talkinghead.difftalk.configuration import LATENT_CHANNELS

_COLOURS = 3


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))), starting as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        changed: Tensor = self.second(nn.functional.silu(self.first(nn.functional.silu(x))))
        return x + changed


def _residual_path(inputs: int, outputs: int, channels: int, blocks: int) -> nn.Sequential:
    last = nn.Conv2d(channels, outputs, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    middle = [ResidualBlock(channels) for _ in range(blocks)]
    return nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1), *middle, nn.SiLU(), last)


class PatchVQModel(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Autoencoder over patches of `factor` x `factor` pixels with a codebook of 3-value codes."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, factor: int, channels: int, blocks: int, num_vq_embeddings: int) -> None:
        super().__init__()
        folded = _COLOURS * factor**2
        self.fold, self.unfold = nn.PixelUnshuffle(factor), nn.PixelShuffle(factor)
        self.linear_code = nn.Conv2d(folded, LATENT_CHANNELS, 1)
        self.linear_picture = nn.Conv2d(LATENT_CHANNELS, folded, 1)
        self.encoder = _residual_path(folded, LATENT_CHANNELS, channels, blocks)
        self.decoder = _residual_path(LATENT_CHANNELS, folded, channels, blocks)
        self.quantize = VectorQuantizer(num_vq_embeddings, LATENT_CHANNELS, beta=0.25)
        # start as the mean of each patch's colours, and as its even repetition
        colour_of_channel = torch.eye(_COLOURS).repeat_interleave(factor**2, dim=1)  # (3, folded)
        with torch.no_grad():
            self.linear_code.weight.copy_(colour_of_channel[:, :, None, None] / factor**2)
            self.linear_picture.weight.copy_(colour_of_channel.T[:, :, None, None])
            for layer in (self.linear_code, self.linear_picture):
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def encode(self, images: Tensor) -> VQEncoderOutput:
        """Images (B, 3, H, W) in [-1, 1] -> `.latents` (B, 3, H/f, W/f), before quantisation."""
        folded = self.fold(images)
        return VQEncoderOutput(latents=self.linear_code(folded) + self.encoder(folded))

    def decode(self, latents: Tensor, force_not_quantize: bool = False) -> DecoderOutput:
        """Latents (B, 3, h, w), quantised on the way unless told not to -> `.sample` (B, 3, h*f, w*f)."""
        codes = latents if force_not_quantize else self.quantize(latents)[0]
        return DecoderOutput(sample=self.unfold(self.linear_picture(codes) + self.decoder(codes)))
