"""Samplers: where they start, what they keep, where they arrive, how they stop."""

import pytest
import torch

from services.talkinghead.difftalk.configuration import SMALL, NoiseSchedule
from services.talkinghead.difftalk.sampler import (
    KeptRegion,
    Sampler,
    add_noise,
    build_scheduler,
    build_solver,
    composite,
    denoise,
    noise_levels,
    shared_noise,
)

SCHEDULE = SMALL.schedule
TRUTH = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)
both_samplers = pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])


def knows_the_truth(_noisy: torch.Tensor, _level: int) -> torch.Tensor:
    """A perfect denoiser of a model that predicts the clean latent."""
    return TRUTH


def test_levels_start_where_strength_says():
    assert noise_levels(SCHEDULE, steps=4, strength=1.0) == [999, 749, 499, 249]
    assert noise_levels(SCHEDULE, steps=3, strength=0.6) == [599, 399, 199]
    assert noise_levels(SCHEDULE, steps=1, strength=0.5) == [499]


@pytest.mark.parametrize(("steps", "strength"), [(0, 1.0), (4, 0.0), (4, 1.5)])
def test_impossible_walk_is_refused(steps: int, strength: float):
    with pytest.raises(ValueError, match="must be"):
        noise_levels(SCHEDULE, steps, strength)


@both_samplers
@pytest.mark.parametrize("steps", [1, 3, 4])
@pytest.mark.parametrize("strength", [1.0, 0.6, 0.5])  # 6 and 7 are no divisors of 1000
def test_perfect_denoiser_arrives_at_the_truth(sampler: Sampler, steps: int, strength: float):
    levels = noise_levels(SCHEDULE, steps, strength)
    solver = build_solver(SCHEDULE, levels, sampler)
    start = add_noise(solver, torch.zeros_like(TRUTH), shared_noise((3, 8, 8), 0), levels[0])
    assert torch.allclose(denoise(knows_the_truth, solver, start), TRUTH, atol=1e-6)


def test_noise_is_added_as_training_adds_it():
    noise = shared_noise((3, 8, 8), 0)
    solver = build_solver(SCHEDULE, [999, 500, 20])
    for level in (999, 500, 20):
        trained = build_scheduler(SCHEDULE).add_noise(TRUTH, noise, torch.tensor([level]))
        assert torch.allclose(add_noise(solver, TRUTH, noise, level), trained, atol=1e-6)


def error_on_a_normal_distribution(sampler: Sampler, steps: int) -> float:
    """Relative error of a walk whose exact end is known.

    The best guess of a clean value of standard deviation s from x at noise level t is a s^2 x / (a^2 s^2 + b^2), where
    a^2 = alphas_cumprod[t] and b^2 = 1 - a^2; along the exact walk x grows as its standard deviation.
    """
    schedule = NoiseSchedule(predicts="clean")  # ends on level 0: the last step is no jump of first order
    variance, alphas = 0.25, build_scheduler(schedule).alphas_cumprod

    def spread(level: int) -> torch.Tensor:
        return (alphas[level] * variance + 1.0 - alphas[level]).sqrt()

    levels = noise_levels(schedule, steps, 1.0)
    made = denoise(
        lambda x, level: alphas[level].sqrt() * variance / spread(level) ** 2 * x,
        build_solver(schedule, levels, sampler),
        spread(levels[0]) * torch.ones(1, 3, 1, 1),
    )
    return float((made / spread(0) - 1.0).abs().max())


def test_dpm_solver_errs_less_than_ddim_and_falls_faster():
    errors = {
        sampler: [error_on_a_normal_distribution(sampler, steps) for steps in (20, 50, 100)]
        for sampler in ("ddim", "dpm-solver++")
    }
    ratios = [dpm / ddim for ddim, dpm in zip(*errors.values(), strict=True)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] < 0.9
    assert ratios[-1] < 0.6


@both_samplers
def test_kept_region_is_the_source_after_the_composite(sampler: Sampler):
    schedule = NoiseSchedule()  # ends on the first noise level, so the kept region drifts
    keep = torch.zeros(1, 1, 8, 8)
    keep[..., :4] = 1.0
    noise = shared_noise((3, 8, 8), 1)
    kept = KeptRegion(source=-TRUTH, keep=keep, noise=noise)
    solver = build_solver(schedule, noise_levels(schedule, 5, 1.0), sampler)
    walked = denoise(lambda noisy, _: 0.1 * noisy, solver, noise, kept=kept)
    made = composite(walked, kept)
    assert not torch.equal(walked[..., :4], -TRUTH[..., :4])
    assert torch.equal(made[..., :4], -TRUTH[..., :4])
    assert torch.equal(made[..., 4:], walked[..., 4:])


@both_samplers
def test_denoiser_sees_the_kept_region_at_each_steps_noise(sampler: Sampler):
    levels = noise_levels(SCHEDULE, 3, 1.0)
    keep, noise = torch.ones(1, 1, 8, 8), torch.randn(3, 1, 3, 8, 8)  # other noise at every step
    seen: list[torch.Tensor] = []

    def predict(noisy: torch.Tensor, _level: int) -> torch.Tensor:
        seen.append(noisy)
        return torch.zeros_like(noisy)

    denoise(predict, build_solver(SCHEDULE, levels, sampler), noise[0], kept=KeptRegion(TRUTH, keep, noise))
    fresh = build_solver(SCHEDULE, levels)
    for step, level in enumerate(levels):
        assert torch.allclose(seen[step], add_noise(fresh, TRUTH, noise[step], level), atol=1e-6)


def test_every_step_is_reported():
    seen: list[tuple[int, int]] = []
    solver = build_solver(SCHEDULE, noise_levels(SCHEDULE, 3, 1.0))
    denoise(knows_the_truth, solver, TRUTH, on_step=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_report_that_raises_stops_the_walk():
    levels = noise_levels(SCHEDULE, 5, 1.0)
    calls = []

    def predict(noisy: torch.Tensor, level: int) -> torch.Tensor:
        calls.append(level)
        return noisy

    def cancel(done: int, _of: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        denoise(predict, build_solver(SCHEDULE, levels), TRUTH, on_step=cancel)
    assert calls == levels[:2]


def test_noise_is_the_seeds():
    assert torch.equal(shared_noise((3, 8, 8), 7), shared_noise((3, 8, 8), 7))
    assert not torch.equal(shared_noise((3, 8, 8), 7), shared_noise((3, 8, 8), 8))
