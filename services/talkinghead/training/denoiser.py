"""Train the denoiser: `python -m services.talkinghead.training.denoiser PAIRS FIRST_STAGE OUT --minutes 55`.

PAIRS holds train/ and test/ as `training.pairs` writes them, and may grow during the run. All latents are made once and
kept in memory; the loop runs the UNet alone.
"""

import argparse
import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from services.common.faces.landmarks import MIRRORED
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import SMALL, DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, encode, to_model_range
from services.talkinghead.difftalk.mask import hide, keep_mask, soft_mask
from services.talkinghead.difftalk.patch_autoencoder import PatchVQModel
from services.talkinghead.difftalk.sampler import build_scheduler
from services.talkinghead.training.pairs import PairGroup

HIGHEST_LEVEL = 0.8
"""Share of the noise levels that training visits: sampling starts at `strength` of them, not at the top."""
OUTSIDE_WEIGHT = 0.1
"""Weight of the loss where the mask keeps the draft anyway."""
EMA_DECAY = 0.998


@dataclass(frozen=True)
class Latents:
    """Pairs in latent space, conditions included; all of length n."""

    clean: Tensor  # (n, 3, h, w)
    reference: Tensor  # (n, 3, h, w), the draft's
    masked: Tensor  # (n, 3, h, w)
    audio: Tensor  # (n, 8, 16, 11)
    landmarks: Tensor  # (n, 68, 2)

    def __len__(self) -> int:
        return len(self.clean)

    def take(self, index: Tensor) -> "Latents":
        """The pairs at `index`."""
        return Latents(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts: list["Latents"]) -> "Latents":
        """One after the other."""
        names = Latents.__dataclass_fields__
        return Latents(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@torch.no_grad()
def encode_group(
    group: PairGroup, first_stage: FirstStage, configuration: DiffTalkConfiguration, rng: np.random.Generator | None
) -> Latents:
    """Latents of a group, mirrored by chance and with other light and colours where `rng` is given."""
    images = to_model_range(np.concatenate([group.reference[None], group.drafts, group.targets]))
    landmarks = torch.from_numpy(group.landmarks)
    if rng is not None:
        contrast = 1.0 + 0.2 * rng.standard_normal()
        shift = 0.12 * rng.standard_normal() + 0.06 * rng.standard_normal((1, 3, 1, 1))
        images = (images * contrast + torch.from_numpy(shift).float()).clamp(-1.0, 1.0)
        if rng.random() < 0.5:
            images = images.flip(3)
            landmarks = landmarks[:, MIRRORED]
            landmarks[..., 0] = configuration.square_px - 1 - landmarks[..., 0]
    count = len(group.drafts)
    hidden = hide(images[:1], soft_mask(configuration.window))
    latents = encode(first_stage, torch.cat([hidden, images[1:]]))
    return Latents(
        clean=latents[1 + count :],
        reference=latents[1 : 1 + count],
        masked=latents[:1].expand(count, -1, -1, -1),
        audio=torch.from_numpy(group.audio),
        landmarks=landmarks,
    )


class PairPool:
    """All pairs of a folder as latents; `refresh` takes in what has come since."""

    def __init__(self, folder: Path, first_stage: FirstStage, configuration: DiffTalkConfiguration, seed: int) -> None:
        self._folder, self._first_stage, self._configuration = folder, first_stage, configuration
        self._rng = np.random.default_rng(seed)
        self._seen: set[Path] = set()
        self.latents: Latents | None = None

    def refresh(self) -> Latents:
        """Encode new groups, each as it is and once changed at random."""
        new = sorted(set(self._folder.glob("[0-9]*.npz")) - self._seen)
        parts = [self.latents] if self.latents is not None else []
        for path in new:
            group = PairGroup.load(path)
            for rng in (None, self._rng):
                parts.append(encode_group(group, self._first_stage, self._configuration, rng))
        if not parts:
            raise FileNotFoundError(f"{self._folder}: no pairs in it")
        self._seen.update(new)
        self.latents = Latents.join(parts)
        return self.latents


def weight_map(configuration: DiffTalkConfiguration) -> Tensor:
    """Loss weight of each latent cell (1, 1, h, w): the made region counts, most of all its middle, the mouth."""
    mask = torch.from_numpy(soft_mask(configuration.window))[None, None]
    made = torch.nn.functional.avg_pool2d(mask, configuration.first_stage.factor)
    height, width = made.shape[2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    mouth = torch.exp(-((x / 0.6) ** 2) - (y + 0.15) ** 2 / 0.5**2)  # lips lie above the window's middle
    weights: Tensor = OUTSIDE_WEIGHT + made * (1.0 + 2.0 * mouth)
    return weights / weights.mean()


def denoising_loss(
    denoiser: Denoiser, batch: Latents, alphas: Tensor, weights: Tensor, generator: torch.Generator
) -> Tensor:
    """Weighted L1 and squared error of the clean latent seen from a random noise level.

    Args:
        alphas: cumulated, of all noise levels (1000,).
        weights: (1, 1, h, w).
    """
    levels = torch.randint(0, round(HIGHEST_LEVEL * len(alphas)), (len(batch),), generator=generator)
    alpha = alphas[levels][:, None, None, None]
    noise = torch.randn(batch.clean.shape, generator=generator)
    noisy = alpha.sqrt() * batch.clean + (1.0 - alpha).sqrt() * noise
    context = denoiser.context(batch.audio, batch.landmarks)
    error = denoiser(noisy, levels, batch.masked, batch.reference, context) - batch.clean
    loss: Tensor = ((error.abs() + 2.0 * error**2) * weights).mean()
    return loss


def train(
    pairs: Path,
    first_stage_folder: Path,
    out: Path,
    *,
    minutes: float,
    configuration: DiffTalkConfiguration = SMALL,
    batch_size: int = 16,
    peak_rate: float = 6e-4,
    seed: int = 0,
) -> None:
    """Train, saving the moving average as a model folder every five minutes and at the end."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    first_stage = PatchVQModel.from_pretrained(first_stage_folder, low_cpu_mem_usage=False).eval()
    denoiser = Denoiser(configuration)
    average = copy.deepcopy(denoiser).requires_grad_(False)
    optimiser = torch.optim.AdamW(denoiser.parameters(), peak_rate, betas=(0.9, 0.98), weight_decay=0.01)
    alphas, weights = build_scheduler(configuration.schedule).alphas_cumprod, weight_map(configuration)
    pool = PairPool(pairs / "train", first_stage, configuration, seed)
    latents = pool.refresh()
    held_out = PairPool(pairs / "test", first_stage, configuration, seed).refresh()
    kept = keep_mask(soft_mask(configuration.window), configuration.first_stage.factor)

    started = last_report = time.monotonic()
    step = 0
    losses: list[float] = []
    while (done := (time.monotonic() - started) / (60 * minutes)) < 1.0:
        rate = peak_rate * min(1.0, (step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = latents.take(torch.randint(len(latents), (batch_size,), generator=generator))
        loss = denoising_loss(denoiser, batch, alphas, weights, generator)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        optimiser.step()
        step += 1
        losses.append(loss.item())
        decay = min(EMA_DECAY, step / (step + 20))
        with torch.no_grad():
            for averaged, current in zip(average.parameters(), denoiser.parameters(), strict=True):
                averaged.lerp_(current, 1.0 - decay)
        if time.monotonic() - last_report > 300:
            last_report = time.monotonic()
            print(
                f"step {step}, {last_report - started:.0f} s, {len(latents)} pairs, loss {np.mean(losses[-100:]):.4f}, "
                f"held out: {held_out_error(average, held_out, alphas, kept)}",
                flush=True,
            )
            checkpoint.save(out, configuration, average, first_stage)
            latents = pool.refresh()
    print(f"{step} steps, {len(latents)} pairs, {held_out_error(average, held_out, alphas, kept)}")
    checkpoint.save(out, configuration, average, first_stage)


@torch.no_grad()
def held_out_error(denoiser: Denoiser, latents: Latents, alphas: Tensor, kept: Tensor, count: int = 64) -> str:
    """Mean absolute error of the made region, one UNet call from half way up: of the draft, made, with wrong audio."""
    generator = torch.Generator().manual_seed(0)
    chosen = latents.take(torch.randperm(len(latents), generator=generator)[:count])
    level = len(alphas) // 2
    noise = torch.randn((1, *chosen.clean.shape[1:]), generator=generator)
    noisy = alphas[level].sqrt() * chosen.reference + (1.0 - alphas[level]).sqrt() * noise
    error: dict[str, float] = {}
    for name, audio in (("made", chosen.audio), ("wrong audio", chosen.audio.roll(count // 2, 0))):
        context = denoiser.context(audio, chosen.landmarks)
        made = denoiser(noisy, level, chosen.masked, chosen.reference, context)
        error[name] = _region_error(made, chosen.clean, kept)
    error["draft"] = _region_error(chosen.reference, chosen.clean, kept)
    return ", ".join(f"{name} {value:.4f}" for name, value in error.items())


def _region_error(made: Tensor, truth: Tensor, kept: Tensor) -> float:
    region = (1.0 - kept).expand_as(truth)
    return float(((made - truth).abs() * region).sum() / region.sum())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path, help="folder with train/ and test/ of drafted pairs")
    parser.add_argument("first_stage", type=Path, help="folder that training.first_stage wrote")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--minutes", type=float, default=55.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.pairs, arguments.first_stage, arguments.out, minutes=arguments.minutes, seed=arguments.seed)


if __name__ == "__main__":
    main()
