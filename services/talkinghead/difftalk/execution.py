"""How the networks are run: where, by what, in which precision.

Only the UNet and the first stage move; noise, samplers, codes and masks are small and stay on the CPU in float32, so
that one code serves every device.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
from torch import nn

from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage
from services.talkinghead.difftalk.onnx_unet import OnnxUNet, fits

Device: TypeAlias = Literal["cpu", "cuda"]
Engine: TypeAlias = Literal["torch", "onnxruntime"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]

_DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Execution:
    """Attention is torch's fused one (SDPA) in every case: diffusers' default."""

    device: Device | None = None
    """None: a GPU where there is one."""
    engine: Engine | None = None
    """What runs the UNet. None: onnxruntime on a CPU, where it can."""
    precision: Precision = "fp32"
    """Of the networks' weights and arithmetic."""
    channels_last: bool = False
    """Convolutions over (B, H, W, C) in memory, as tensor cores want them."""
    compile: bool = False
    """By torch.compile; the first call takes a minute or more."""

    def apply(self, denoiser: Denoiser, first_stage: FirstStage) -> None:
        """Bring the networks to where and what they are to be. Raises ValueError: settings that exclude each other."""
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device: 'cuda' was asked for, but torch sees no GPU")
        plain = device == "cpu" and self.precision == "fp32" and not self.compile and not self.channels_last
        if self.engine == "onnxruntime" and not plain:
            raise ValueError("engine: 'onnxruntime' runs on the CPU in fp32, without channels_last or compile")
        if self.engine == "onnxruntime" and not fits(denoiser.unet):
            raise ValueError("engine: this UNet is too large for an ONNX model; take 'torch'")
        if plain and self.engine != "torch" and fits(denoiser.unet):
            denoiser.accelerated = OnnxUNet(denoiser.unet, torch.get_num_threads())
            return
        for network in (denoiser.unet, first_stage):
            nn.Module.to(network, device, _DTYPES[self.precision])  # diffusers' own warns of every cast
            if self.channels_last:
                network.to(memory_format=torch.channels_last)
        if self.compile:
            denoiser.unet.compile()
