"""DDIM (arXiv 2010.02502) with inpainting, from full noise or from a noised draft, with one noise for all frames."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from services.talkinghead.difftalk.configuration import NoiseSchedule

Predict = Callable[[Tensor, int], Tensor]
"""(noisy latent (B, 3, h, w), noise level) -> the scheduler's prediction type, (B, 3, h, w)."""
OnStep = Callable[[int, int], None]
"""(steps done, steps in all); may raise to cancel."""


@dataclass(frozen=True)
class KeptRegion:
    """The part of the latent that stays as the source has it."""

    source: Tensor
    """Clean latent (B, 3, h, w)."""
    keep: Tensor
    """1 where the source stays: (B or 1, 1, h, w)."""
    noise: Tensor
    """What the source is noised with: (B or 1, 3, h, w) for every step, or (S, B, 3, h, w), one for each."""

    def at(self, step: int) -> Tensor:
        """The noise of one step."""
        return self.noise[step] if self.noise.ndim == 5 else self.noise


def build_scheduler(schedule: NoiseSchedule) -> DDIMScheduler:
    """A scheduler with state of its own: one for each sampling run."""
    return DDIMScheduler(
        num_train_timesteps=schedule.levels,
        beta_start=schedule.first_beta,
        beta_end=schedule.last_beta,
        beta_schedule="scaled_linear",
        prediction_type={"noise": "epsilon", "clean": "sample"}[schedule.predicts],
        timestep_spacing=schedule.spacing,
        steps_offset=1 if schedule.spacing == "leading" else 0,
        set_alpha_to_one=schedule.ends_clean,
        clip_sample=False,
    )


def noise_levels(scheduler: DDIMScheduler, steps: int, strength: float) -> list[int]:
    """The noise levels to visit, high to low; sets the scheduler's stride.

    Args:
        scheduler: from `build_scheduler`.
        steps: UNet calls, 1 or more.
        strength: in (0, 1]; how far up the noise levels the walk begins. Rounded so that the stride is even.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, must be at least 1")
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"strength is {strength}, must be above 0 and at most 1")
    scheduler.set_timesteps(round(steps / strength))
    levels: list[int] = scheduler.timesteps[-steps:].tolist()
    return levels


def shared_noise(shape: tuple[int, int, int], seed: int) -> Tensor:
    """One noise (1, 3, h, w) for every frame of a video: noise that changes along time is seen as jitter."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, *shape), generator=generator)


def add_noise(scheduler: DDIMScheduler, clean: Tensor, noise: Tensor, level: int) -> Tensor:
    """The forward process: `clean` (B, 3, h, w) at a noise level."""
    noised: Tensor = scheduler.add_noise(clean, noise.expand_as(clean), torch.tensor([level]))
    return noised


@torch.no_grad()
def denoise(
    predict: Predict,
    scheduler: DDIMScheduler,
    latent: Tensor,
    levels: list[int],
    *,
    kept: KeptRegion | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk down the noise levels (eta 0). Before each step the kept region is the source at that step's noise level.

    Args:
        latent: (B, 3, h, w) at noise level `levels[0]`.
        levels: from `noise_levels`.

    Returns:
        (B, 3, h, w). The kept region is nearly, not exactly, the source: see `composite`.
    """
    for step, level in enumerate(levels):
        if kept is not None:
            noised = add_noise(scheduler, kept.source, kept.at(step), level)
            latent = kept.keep * noised + (1.0 - kept.keep) * latent
        latent = scheduler.step(predict(latent, level), level, latent).prev_sample
        if on_step is not None:
            on_step(step + 1, len(levels))
    return latent


def composite(latent: Tensor, kept: KeptRegion) -> Tensor:
    """The kept region set to the source itself. The original leaves this out, so its kept region drifts."""
    return torch.where(kept.keep > 0.5, kept.source, latent)
