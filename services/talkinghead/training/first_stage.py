"""Train the first stage on rendered heads: `python -m services.talkinghead.training.first_stage DATA OUT --minutes 20`.

Two phases. At first the autoencoder is continuous, with a little noise on its latents; then the codebook is set by
k-means on the latents it makes and trained on with the straight-through estimator (VQ-VAE, arXiv 1711.00937).
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.talkinghead.difftalk.configuration import SMALL, DiffTalkConfiguration
from services.talkinghead.difftalk.first_stage import FirstStage, build_first_stage, decode, encode, to_model_range

CONTINUOUS_SHARE = 0.55
"""Share of the training time before the codebook comes in."""
MOUTH_CROPS = 0.7
"""Share of the crops taken about the mouth: skin is easy, teeth are not."""
LATENT_NOISE = 0.02


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    minutes: float
    batch: int = 8
    peak_rate: float = 1.5e-3
    seed: int = 0


def load_frames(folder: Path, every: int = 1) -> npt.NDArray[np.uint8]:
    """Every n-th face square of the folder's clips: (N, 128, 128, 3) uint8."""
    clips = sorted(folder.glob("[0-9]*.npz"))
    if not clips:
        raise FileNotFoundError(f"{folder}: no clips NNNN.npz in it")
    return np.concatenate([np.load(clip)["frames"][::every] for clip in clips])


def sample_crops(
    frames: npt.NDArray[np.uint8], count: int, configuration: DiffTalkConfiguration, rng: np.random.Generator
) -> Tensor:
    """`count` crops of the model's window size, jittered in place, side and colour: (count, 3, h, w) in [-1, 1]."""
    window, side_px = configuration.window, configuration.square_px
    crops = []
    for _ in range(count):
        if rng.random() < MOUTH_CROPS:
            top = int(np.clip(window.top + rng.integers(-10, 11), 0, side_px - window.height))
            left = int(np.clip(window.left + rng.integers(-12, 13), 0, side_px - window.width))
        else:
            top = int(rng.integers(0, side_px - window.height + 1))
            left = int(rng.integers(0, side_px - window.width + 1))
        crop = frames[rng.integers(len(frames)), top : top + window.height, left : left + window.width]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    images = to_model_range(np.stack(crops))
    contrast = 1.0 + 0.2 * torch.from_numpy(rng.standard_normal((count, 1, 1, 1))).float()
    shift = torch.from_numpy(
        0.12 * rng.standard_normal((count, 1, 1, 1)) + 0.08 * rng.standard_normal((count, 3, 1, 1))
    )
    return (images * contrast + shift.float()).clamp(-1.0, 1.0)


def reconstruction_loss(made: Tensor, truth: Tensor) -> Tensor:
    """L1 on pixels and on their gradients: edges of lips and teeth count beyond their area."""
    error = made - truth
    horizontal = (error[..., 1:] - error[..., :-1]).abs().mean()
    vertical = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + 0.5 * (horizontal + vertical)


@torch.no_grad()
def set_codebook_by_kmeans(first_stage: FirstStage, latents: Tensor, rounds: int = 6) -> None:
    """Put the codes where the latents (N, 3) are; a code that wins nothing keeps its place on a latent."""
    codes = latents[torch.randperm(len(latents))[: first_stage.config.num_vq_embeddings]].clone()
    for _ in range(rounds):
        nearest = torch.cdist(latents, codes).argmin(1)
        counts = torch.bincount(nearest, minlength=len(codes)).unsqueeze(1)
        sums = torch.zeros_like(codes).index_add_(0, nearest, latents)
        codes = torch.where(counts > 0, sums / counts.clamp(min=1), codes)
    first_stage.quantize.embedding.weight.copy_(codes)


@torch.no_grad()
def psnr_db(first_stage: FirstStage, images: Tensor, batch: int = 16) -> float:
    """Mean over images (B, 3, H, W) of the quantised reconstruction's peak signal-to-noise ratio, in dB."""
    values = []
    for part in torch.chunk(images, max(1, len(images) // batch)):
        made = decode(first_stage, encode(first_stage, part)).clamp(-1.0, 1.0)
        values.append(-10.0 * torch.log10(((made - part) ** 2).mean((1, 2, 3)) / 4.0 + 1e-10))
    return float(torch.cat(values).mean())


def window_of(frames: npt.NDArray[np.uint8], configuration: DiffTalkConfiguration) -> Tensor:
    """The model's window of face squares (N, 128, 128, 3) uint8 -> (N, 3, h, w) in [-1, 1]."""
    w = configuration.window
    return to_model_range(frames[:, w.top : w.top + w.height, w.left : w.left + w.width])


def _collect_latents(
    first_stage: FirstStage,
    frames: npt.NDArray[np.uint8],
    configuration: DiffTalkConfiguration,
    rng: np.random.Generator,
) -> Tensor:
    with torch.no_grad():
        batches = [encode(first_stage, sample_crops(frames, 16, configuration, rng)) for _ in range(16)]
    return torch.cat(batches).permute(0, 2, 3, 1).reshape(-1, 3)


def train(data: Path, out: Path, schedule: Schedule, configuration: DiffTalkConfiguration = SMALL) -> FirstStage:
    """Train for `schedule.minutes` on DATA/train, report PSNR on DATA/test, save a diffusers folder to `out`.

    The folder is read anew every two minutes, so that rendering and training may run side by side.
    """
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    first_stage = build_first_stage(configuration.first_stage)
    optimiser = torch.optim.AdamW(first_stage.parameters(), schedule.peak_rate, betas=(0.9, 0.98), weight_decay=1e-4)
    frames = load_frames(data / "train")
    started = last_report = time.monotonic()
    step, quantised, recent = 0, False, []
    while (done := (time.monotonic() - started) / (60 * schedule.minutes)) < 1.0:
        if done >= CONTINUOUS_SHARE and not quantised:
            set_codebook_by_kmeans(first_stage, _collect_latents(first_stage, frames, configuration, rng))
            quantised = True
        images = sample_crops(frames, schedule.batch, configuration, rng)
        latents = encode(first_stage, images)
        if quantised:
            codes, commitment, _ = first_stage.quantize(latents)
        else:
            codes, commitment = latents + LATENT_NOISE * torch.randn_like(latents), 1e-3 * (latents**2).mean()
        made = first_stage.decode(codes, force_not_quantize=True).sample
        loss = reconstruction_loss(made, images) + commitment
        for group in optimiser.param_groups:
            group["lr"] = schedule.peak_rate * min(1.0, (step + 1) / 50) * (0.03 + 0.97 * (1.0 - done) ** 0.8)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(first_stage.parameters(), 1.0)
        optimiser.step()
        step += 1
        recent.append(loss.item())
        if time.monotonic() - last_report > 120:
            last_report = time.monotonic()
            print(
                f"step {step}, {last_report - started:.0f} s, {len(frames)} frames, loss {np.mean(recent[-100:]):.4f}"
            )
            frames = load_frames(data / "train")
            first_stage.save_pretrained(out)
    first_stage.save_pretrained(out)
    held_out = window_of(load_frames(data / "test", every=20), configuration)
    print(f"{step} steps, held-out window PSNR {psnr_db(first_stage, held_out):.2f} dB")
    return first_stage


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train/ and test/ of NNNN.npz clips")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.data, arguments.out, Schedule(minutes=arguments.minutes, seed=arguments.seed))


if __name__ == "__main__":
    main()
