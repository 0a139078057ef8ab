"""DDIM: where it starts, what it keeps, how it stops."""

import pytest
import torch

from services.talkinghead.difftalk.configuration import SMALL, NoiseSchedule
from services.talkinghead.difftalk.sampler import (
    KeptRegion,
    add_noise,
    build_scheduler,
    composite,
    denoise,
    noise_levels,
    shared_noise,
)

TRUTH = torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)


def knows_the_truth(_noisy: torch.Tensor, _level: int) -> torch.Tensor:
    """A perfect denoiser of a model that predicts the clean latent."""
    return TRUTH


def test_levels_start_where_strength_says():
    scheduler = build_scheduler(SMALL.schedule)
    assert noise_levels(scheduler, steps=4, strength=1.0) == [999, 749, 499, 249]
    assert noise_levels(scheduler, steps=3, strength=0.6) == [599, 399, 199]
    assert noise_levels(scheduler, steps=1, strength=0.5) == [499]


@pytest.mark.parametrize(("steps", "strength"), [(0, 1.0), (4, 0.0), (4, 1.5)])
def test_impossible_walk_is_refused(steps: int, strength: float):
    with pytest.raises(ValueError, match="must be"):
        noise_levels(build_scheduler(SMALL.schedule), steps, strength)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_perfect_denoiser_arrives_at_the_truth(strength: float):
    scheduler = build_scheduler(SMALL.schedule)
    levels = noise_levels(scheduler, 3, strength)
    start = add_noise(scheduler, torch.zeros_like(TRUTH), shared_noise((3, 8, 8), 0), levels[0])
    assert torch.allclose(denoise(knows_the_truth, scheduler, start, levels), TRUTH, atol=1e-6)


def test_kept_region_is_the_source_after_the_composite():
    scheduler = build_scheduler(NoiseSchedule())  # ends on the first noise level, so the kept region drifts
    levels = noise_levels(scheduler, 5, 1.0)
    keep = torch.zeros(1, 1, 8, 8)
    keep[..., :4] = 1.0
    noise = shared_noise((3, 8, 8), 1)
    kept = KeptRegion(source=-TRUTH, keep=keep, noise=noise)
    walked = denoise(lambda noisy, _: 0.1 * noisy, scheduler, noise, levels, kept=kept)
    made = composite(walked, kept)
    assert not torch.equal(walked[..., :4], -TRUTH[..., :4])
    assert torch.equal(made[..., :4], -TRUTH[..., :4])
    assert torch.equal(made[..., 4:], walked[..., 4:])


def test_every_step_is_reported():
    scheduler = build_scheduler(SMALL.schedule)
    levels = noise_levels(scheduler, 3, 1.0)
    seen: list[tuple[int, int]] = []
    denoise(knows_the_truth, scheduler, TRUTH, levels, on_step=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_report_that_raises_stops_the_walk():
    scheduler = build_scheduler(SMALL.schedule)
    levels = noise_levels(scheduler, 5, 1.0)
    calls = []

    def predict(noisy: torch.Tensor, level: int) -> torch.Tensor:
        calls.append(level)
        return noisy

    def cancel(done: int, _of: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        denoise(predict, scheduler, TRUTH, levels, on_step=cancel)
    assert calls == levels[:2]


def test_noise_is_the_seeds():
    assert torch.equal(shared_noise((3, 8, 8), 7), shared_noise((3, 8, 8), 7))
    assert not torch.equal(shared_noise((3, 8, 8), 7), shared_noise((3, 8, 8), 8))
