"""The first stage's training: a vector-quantised autoencoder that looks right (VQGAN, arXiv 2012.09841).

At first the autoencoder is continuous, with a little noise on its latents; then the codebook is set by k-means on the
latents it makes and trained on with the straight-through estimator (VQ-VAE, arXiv 1711.00937). Late in training a
discriminator comes in.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.first_stage import FirstStage, build_first_stage, decode, encode
from services.talkinghead.training.clips import Change, DrawnClips, Item, Parts, in_model_range, rng_of
from services.talkinghead.training.configuration import FirstStageSettings
from services.talkinghead.training.discriminator import PatchDiscriminator, hinge
from services.talkinghead.training.perceptual import PerceptualDistance
from services.talkinghead.training.stage import Batch, Losses, Stage

MOUTH_CROPS: Final = 0.7
"""Share of the crops taken about the mouth: skin is easy, teeth are not."""
LATENT_NOISE: Final = 0.02

_MOUTH: Final = (96 / 128, 64 / 128)
"""Middle of the mouth in the face square, down and across."""
_JITTER: Final = (10 / 128, 12 / 128)
_KMEANS_ROUNDS: Final = 6
_CELLS_PER_CODE: Final = 6
_HELD_OUT: Final = 64
_HELD_OUT_BATCH: Final = 4


class Crops(Dataset[Item]):
    """Crops of face squares, jittered in place, light, colours and side: `images` (3, h, w)."""

    def __init__(self, clips: DrawnClips, crop_px: tuple[int, int], seed: int) -> None:
        self._clips, self._crop_px, self._seed = clips, crop_px, seed

    def __getitem__(self, number: int) -> Item:
        rng = rng_of(self._seed, number)
        clip, chosen = self._clips.draw(rng)
        top, left = _corner(clip.square_px, self._crop_px, rng)
        height, width = self._crop_px
        square = clip.pictures(chosen)[0]
        images = in_model_range(square[top : top + height, left : left + width])
        return {"images": torch.from_numpy(Change(rng).pictures(images))}


def _corner(square_px: int, crop_px: tuple[int, int], rng: np.random.Generator) -> tuple[int, ...]:
    about_mouth = rng.random() < MOUTH_CROPS
    corner = []
    for edge, middle, jitter in zip(crop_px, _MOUTH, _JITTER, strict=True):
        most = square_px - edge
        place = middle * square_px - edge / 2 + jitter * square_px * rng.uniform(-1, 1)
        corner.append(round(float(np.clip(place, 0, most))) if about_mouth else int(rng.integers(0, most + 1)))
    return tuple(corner)


class Autoencoder(nn.Module):
    """Pictures there and back, so that processes share one forward call."""

    def __init__(self, first_stage: FirstStage) -> None:
        super().__init__()
        self.first_stage = first_stage

    def forward(self, images: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> the same made anew, and the commitment loss. ``noise``: (B, 3, h, w) for continuous latents,
        None for quantised ones."""
        latents = self.first_stage.encode(images).latents
        codebook = self.first_stage.quantize
        if noise is None:
            codes, commitment, _ = codebook(latents)
        else:
            unused = 0 * codebook.embedding.weight.sum()  # a shared network must use all that it learns
            codes, commitment = latents + noise, 1e-3 * latents.square().mean() + unused
        return self.first_stage.decode(codes, force_not_quantize=True).sample, commitment


class FirstStageTraining(Stage):
    """See the module's docstring."""

    name = "first_stage"

    def __init__(
        self,
        sizes: DiffTalkConfiguration,
        settings: FirstStageSettings,
        clips: Parts,
        *,
        perceptual: PerceptualDistance,
        seed: int,
    ) -> None:
        super().__init__()
        self.settings: FirstStageSettings = settings
        self.examples = Crops(clips.train, settings.crop_px, seed)
        self.first_stage = build_first_stage(sizes.first_stage)
        self.learning = {"autoencoder": Autoencoder(self.first_stage), "discriminator": PatchDiscriminator()}
        self.helping = (perceptual,)
        self._perceptual = perceptual
        self._factor, self._seed = sizes.first_stage.factor, seed
        self._test = Crops(clips.test, settings.crop_px, seed)
        self._made: Tensor | None = None

    def begin(self, step: int) -> None:
        """Put the codes where the latents are, once the continuous part is over."""
        if step == self.settings.continuous_steps:
            wanted = _CELLS_PER_CODE * self.first_stage.config.num_vq_embeddings
            cells: list[Tensor] = []
            number = 0
            while sum(map(len, cells)) < wanted:
                images = self.examples[number]["images"][None].to(_device(self.first_stage))
                with torch.no_grad():
                    cells.append(encode(self.first_stage, images).permute(0, 2, 3, 1).reshape(-1, images.shape[1]))
                number += 1
            set_codebook_by_kmeans(self.first_stage, torch.cat(cells)[:wanted], self._seed)

    def losses(self, name: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Losses | None:
        """The autoencoder's, then the discriminator's on what the autoencoder has just made."""
        judged = self.settings.adversarial_weight > 0 and step >= self.settings.adversarial_from
        images, judge = batch["images"], self.learning["discriminator"]
        if name == "discriminator":
            if not judged or self._made is None:
                return None
            both = networks[name](torch.cat([images, self._made.detach()]))
            return {"hinge": hinge(*both.chunk(2))}
        made, commitment = networks[name](images, self._noise(images, step))
        self._made = made
        terms = {"picture": reconstruction_loss(made, images), "commitment": commitment}
        if self.settings.perceptual_weight > 0:
            terms["perceptual"] = self.settings.perceptual_weight * self._perceptual(made, images)
        if judged:
            judge.requires_grad_(False)
            terms["adversarial"] = -self.settings.adversarial_weight * judge(made).mean()
            judge.requires_grad_(True)
        return terms

    def _noise(self, images: Tensor, step: int) -> Tensor | None:
        """Told by the pictures and the step alone, as everything random here."""
        if step >= self.settings.continuous_steps:
            return None
        shape = (len(images), 3, images.shape[2] // self._factor, images.shape[3] // self._factor)
        generator = torch.Generator().manual_seed(self._seed + step)
        return (LATENT_NOISE * torch.randn(shape, generator=generator)).to(images.device)

    def held_out(self) -> dict[str, float]:
        """Peak signal-to-noise ratio of what comes back quantised, in dB."""
        images = self._held_out(_HELD_OUT)
        made = torch.cat([self._back(part) for part in torch.split(images, _HELD_OUT_BATCH)])
        return {"psnr_db": float((-10 * torch.log10((made - images).square().mean((1, 2, 3)) / 4 + 1e-10)).mean())}

    def show(self, writer: SummaryWriter, step: int) -> None:
        """Some, above what became of them."""
        images = self._held_out(_HELD_OUT_BATCH)
        rows = [torch.cat(list(each), dim=-1) for each in (images, self._back(images))]
        sheet = (torch.cat(rows, dim=-2) + 1) / 2
        writer.add_image(f"{self.name}/there_and_back", sheet, step)

    def _held_out(self, count: int) -> Tensor:
        images = torch.stack([self._test[number]["images"] for number in range(count)])
        return images.to(_device(self.first_stage))

    def _back(self, images: Tensor) -> Tensor:
        return decode(self.first_stage, encode(self.first_stage, images)).clamp(-1, 1)


def reconstruction_loss(made: Tensor, truth: Tensor) -> Tensor:
    """L1 on pixels and on their gradients: edges of lips and teeth count beyond their area."""
    error = made - truth
    horizontal = (error[..., 1:] - error[..., :-1]).abs().mean()
    vertical = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + 0.5 * (horizontal + vertical)


@torch.no_grad()
def set_codebook_by_kmeans(first_stage: FirstStage, latents: Tensor, seed: int) -> None:
    """Put the codes where the latents (N, 3) are; a code that wins nothing keeps its place on a latent."""
    count = first_stage.config.num_vq_embeddings
    chosen = torch.randperm(len(latents), generator=torch.Generator().manual_seed(seed))[:count]
    codes = latents[chosen.to(latents.device)].clone()
    for _ in range(_KMEANS_ROUNDS):
        nearest = torch.cat([torch.cdist(part, codes).argmin(1) for part in torch.split(latents, 4096)])
        counts = torch.bincount(nearest, minlength=len(codes)).unsqueeze(1)
        sums = torch.zeros_like(codes).index_add_(0, nearest, latents)
        codes = torch.where(counts > 0, sums / counts.clamp(min=1), codes)
    first_stage.quantize.embedding.weight.copy_(codes)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
