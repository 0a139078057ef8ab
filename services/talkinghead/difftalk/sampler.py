"""Sampling with inpainting, from full noise or from a noised draft, with one noise for all frames.

Two samplers, both without randomness: DDIM with eta 0 (arXiv 2010.02502) and DPM-Solver++ (2M) (arXiv 2211.01095,
algorithm 2). DDIM is the first order of DPM-Solver++ (section 4 there), so one diffusers class walks for both. Its
DDIMScheduler would not do: it takes the step to be 1000 // steps levels, which misses the levels really visited where
1000 is no multiple of the steps, and can then end on level 0 (noise of standard deviation 0.04) instead of clean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from services.talkinghead.difftalk.configuration import NoiseSchedule

Sampler: TypeAlias = Literal["ddim", "dpm-solver++"]
Predict = Callable[[Tensor, int], Tensor]
"""(noisy latent (B, 3, h, w), noise level) -> the scheduler's prediction type, (B, 3, h, w)."""
OnStep = Callable[[int, int], None]
"""(steps done, steps in all); may raise to cancel."""


_PREDICTION = {"noise": "epsilon", "clean": "sample"}
_ORDER: dict[Sampler, int] = {"ddim": 1, "dpm-solver++": 2}


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
    """The noise schedule as diffusers stores it: what a model folder holds and what training noises by."""
    return DDIMScheduler(
        num_train_timesteps=schedule.levels,
        beta_start=schedule.first_beta,
        beta_end=schedule.last_beta,
        beta_schedule="scaled_linear",
        prediction_type=_PREDICTION[schedule.predicts],
        timestep_spacing=schedule.spacing,
        steps_offset=1 if schedule.spacing == "leading" else 0,
        set_alpha_to_one=schedule.ends_clean,
        clip_sample=False,
    )


def noise_levels(schedule: NoiseSchedule, steps: int, strength: float) -> list[int]:
    """The noise levels to visit, high to low.

    Args:
        schedule: of the model.
        steps: UNet calls, 1 or more.
        strength: in (0, 1]; how far up the noise levels the walk begins: of a walk over all levels in about
            steps / strength steps, the last `steps`.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, must be at least 1")
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"strength is {strength}, must be above 0 and at most 1")
    scheduler = build_scheduler(schedule)
    scheduler.set_timesteps(round(steps / strength))
    levels: list[int] = scheduler.timesteps[-steps:].tolist()
    return levels


def build_solver(schedule: NoiseSchedule, levels: list[int], sampler: Sampler = "ddim") -> DPMSolverMultistepScheduler:
    """What steps from level to level. It has state: one for each sampling run.

    Args:
        schedule: of the model.
        levels: from `noise_levels`.
        sampler: DDIM, or DPM-Solver++ (2M), which needs fewer steps for the same result. Where the walk ends clean,
            the last step of either goes straight to the predicted clean latent.
    """
    solver = DPMSolverMultistepScheduler(
        num_train_timesteps=schedule.levels,
        beta_start=schedule.first_beta,
        beta_end=schedule.last_beta,
        beta_schedule="scaled_linear",
        prediction_type=_PREDICTION[schedule.predicts],
        solver_order=_ORDER[sampler],
        final_sigmas_type="zero" if schedule.ends_clean else "sigma_min",
    )
    solver.set_timesteps(timesteps=levels)
    return solver


def shared_noise(shape: tuple[int, int, int], seed: int) -> Tensor:
    """One noise (1, 3, h, w) for every frame of a video: noise that changes along time is seen as jitter."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, *shape), generator=generator)


def add_noise(solver: DPMSolverMultistepScheduler, clean: Tensor, noise: Tensor, level: int) -> Tensor:
    """The forward process: `clean` (B, 3, h, w) at a noise level of the solver's walk."""
    noised: Tensor = solver.add_noise(clean, noise.expand_as(clean), torch.tensor([level]))
    return noised


@torch.no_grad()
def denoise(
    predict: Predict,
    solver: DPMSolverMultistepScheduler,
    latent: Tensor,
    *,
    kept: KeptRegion | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk down the noise levels. Before each step the kept region is the source at that step's noise level.

    Args:
        predict: the model.
        solver: from `build_solver`, fresh.
        latent: (B, 3, h, w) at the solver's first noise level.
        kept: what not to change.
        on_step: told after each step; may raise to cancel.

    Returns:
        (B, 3, h, w). The kept region is nearly, not exactly, the source: see `composite`.
    """
    levels: list[int] = solver.timesteps.tolist()
    for step, level in enumerate(levels):
        if kept is not None:
            noised = add_noise(solver, kept.source, kept.at(step), level)
            latent = kept.keep * noised + (1.0 - kept.keep) * latent
        latent = solver.step(predict(latent, level), level, latent).prev_sample
        if on_step is not None:
            on_step(step + 1, len(levels))
    return latent


def sample(
    predict: Predict,
    schedule: NoiseSchedule,
    *,
    kept: KeptRegion,
    start: Tensor | None,
    steps: int,
    strength: float,
    sampler: Sampler,
    on_step: OnStep | None = None,
) -> Tensor:
    """The whole way: from noise, or from a noised draft, to a clean latent whose kept region is the source itself.

    Args:
        predict: the model.
        schedule: of the model.
        kept: what not to change; its noise, one for every step, is where sampling starts.
        start: None to start from noise alone; else the clean draft (B, 3, h, w) that is noised as far as `strength`.
        steps, strength: see `noise_levels`.
        sampler: see `build_solver`.
        on_step: told after each step; may raise to cancel.

    Returns:
        (B, 3, h, w).
    """
    levels = noise_levels(schedule, steps, strength)
    solver = build_solver(schedule, levels, sampler)
    noise = kept.at(0).expand_as(kept.source)
    latent = noise if start is None else add_noise(solver, start, noise, levels[0])
    return composite(denoise(predict, solver, latent, kept=kept, on_step=on_step), kept)


def composite(latent: Tensor, kept: KeptRegion) -> Tensor:
    """The kept region set to the source itself. The original leaves this out, so its kept region drifts."""
    return torch.where(kept.keep > 0.5, kept.source, latent)
