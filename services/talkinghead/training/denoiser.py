"""The denoiser's training: the noise, or the clean latent, of a frame from a random noise level.

Two ways, told by the settings: a random other frame of the clip is the reference (DiffTalk, section 3.3), or a draft of
the frame itself, bent from another one. Beyond the paper: levels are weighted by min-SNR (arXiv 2303.09556), some
examples hear nothing, and a sync expert judges what was made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers.training_utils import compute_snr
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate
from torch.utils.tensorboard import SummaryWriter

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.audio_encoder import windows_between
from services.talkinghead.difftalk.configuration import LATENT_CHANNELS, DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, decode_codes, encode
from services.talkinghead.difftalk.mask import hide, hide_below_nose, keep_mask, place, soft_mask
from services.talkinghead.difftalk.published import LOWER_FACE
from services.talkinghead.difftalk.sampler import build_scheduler
from services.talkinghead.sync.expert import FRAMES, SyncExpert, mouths_of, sound_at
from services.talkinghead.training.clips import Change, DrawnClips, Item, Parts, heard, in_model_range, rng_of, wave_of
from services.talkinghead.training.configuration import DenoiserSettings
from services.talkinghead.training.film import film_of, put_film
from services.talkinghead.training.pairs import draft_each, draw_reference, draw_source
from services.talkinghead.training.run_folder import MODEL
from services.talkinghead.training.stage import DTYPES, Batch, Losses, Stage

OUTSIDE_WEIGHT: Final = 0.1
"""Weight of the loss where the mask keeps the draft anyway."""
CLEAR: Final = 0.5
"""Of the signal's power: with less of it, what is made at one go is a blur, and its moment says nothing."""
_HELD_OUT: Final = 16


class Frames(Dataset[Item]):
    """Some frames in a row of one clip, with their conditions and the noise to be seen through; cut to the window.

    `targets`, `references`, `masked` (F, 3, h, w), `audio` (F, 8, 16, C), `landmarks` (F, 68, 2), `level` in [0, 1),
    `noise` (3, h/f, w/f) that the frames share, as they do when sampled; where the sync expert is to judge also
    `sound` (80, 20).
    """

    def __init__(self, clips: DrawnClips, sizes: DiffTalkConfiguration, settings: DenoiserSettings, seed: int) -> None:
        self._clips, self._sizes, self._settings, self._seed = clips, sizes, settings, seed

    def __getitem__(self, number: int) -> Item:
        rng = rng_of(self._seed, number)
        clip, chosen = self._clips.draw(rng)
        draws_draft, window = self._settings.draft, self._sizes.window

        # 1. Pictures: the frames, and what tells how the person looks
        squares, points, places = clip.pictures(chosen), clip.landmarks[chosen], clip.places[chosen]
        source = (draw_source if draws_draft else draw_reference)(clip, chosen, rng)
        other = clip.pictures([source])
        if draws_draft:
            references = draft_each(other[0], clip.landmarks[source], points, rng, exact=clip.rendered)
        else:
            references = np.repeat(other, len(squares), 0)
        change = Change(rng)
        points = change.landmarks(points, clip.square_px)
        shown = (squares, references, other)
        cut_out = (change.pictures(in_model_range(cut(pixels, self._sizes))) for pixels in shown)
        targets, reference_images, source_image = map(torch.from_numpy, cut_out)
        if self._sizes.refines_draft:
            masked = hide(source_image, soft_mask(window)).expand_as(targets)
        else:
            masked = hide_below_nose(targets, torch.from_numpy(points))

        # 2. Sound
        features = heard(clip, self._sizes.speech_features)
        audio = windows_between(features, int(places[0]), int(places[-1]) + 1)
        if rng.random() < self._settings.audio_dropout:
            audio = np.zeros_like(audio)

        # 3. Noise
        factor = self._sizes.first_stage.factor
        shape = (LATENT_CHANNELS, window.height // factor, window.width // factor)
        item = {
            "targets": targets,
            "references": reference_images,
            "masked": masked,
            "audio": audio.astype(np.float32),
            "landmarks": points.astype(np.float32),
            "level": np.float32(rng.random()),
            "noise": rng.standard_normal(shape).astype(np.float32),
        }
        if self._settings.sync_weight > 0:
            item["sound"] = sound_at(wave_of(clip), places[:1])[0]
        return item


def cut(squares: np.ndarray, sizes: DiffTalkConfiguration) -> np.ndarray:
    """(..., S, S, 3) -> the part that the model works on."""
    window = sizes.window
    return squares[..., window.top : window.top + window.height, window.left : window.left + window.width, :]


def frames_in_a_row(settings: DenoiserSettings) -> int:
    """In one example: the sync expert looks at five."""
    return FRAMES if settings.sync_weight > 0 else 1


class Denoising(nn.Module):
    """Conditions and UNet in one call, for processes share one forward call."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(
        self, noisy: Tensor, levels: Tensor, masked: Tensor, reference: Tensor, heard: tuple[Tensor, Tensor]
    ) -> Tensor:
        """As `Denoiser.forward`; ``heard`` are audio windows (B, 8, 16, C) and landmarks (B, 68, 2)."""
        predicted: Tensor = self.denoiser(noisy, levels, masked, reference, self.denoiser.context(*heard))
        return predicted


class DenoiserTraining(Stage):
    """See the module's docstring."""

    name = "denoiser"
    averaged = "denoiser"

    def __init__(
        self,
        sizes: DiffTalkConfiguration,
        settings: DenoiserSettings,
        clips: Parts,
        *,
        denoiser: Denoiser,
        first_stage: FirstStage,
        expert: SyncExpert | None,
        weights_as: str,
        seed: int,
    ) -> None:
        super().__init__()
        self.settings: DenoiserSettings = settings
        self.examples = Frames(clips.train, sizes, settings, seed)
        self.ema_decay = settings.ema_decay
        self.denoiser = denoiser.requires_grad_(True)
        self.learning = {"denoiser": Denoising(denoiser)}
        self.helping = tuple(each.requires_grad_(False).eval() for each in (first_stage, expert) if each is not None)
        self._sizes, self._first_stage, self._expert = sizes, first_stage, expert
        hearing = settings.model_copy(update={"audio_dropout": 0.0})
        self._test, self._test_frames = clips.test, Frames(clips.test, sizes, hearing, seed)
        self._dtype = DTYPES[weights_as]
        self._scheduler = build_scheduler(sizes.schedule)
        lower_face = place(soft_mask(LOWER_FACE), LOWER_FACE, sizes.square_px)
        made = soft_mask(sizes.window) if sizes.refines_draft else lower_face
        self._kept = keep_mask(made, sizes.first_stage.factor)
        self._weights = weight_map(sizes)

    def losses(self, name: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Losses:
        """Of the prediction; and of the sync expert, where little noise was in the way."""
        latents = self._latents(batch)
        clean, levels = latents["targets"], self._levels(batch)
        noisy, noise = self._noised(clean, levels, batch["noise"])
        conditions = batch["audio"].flatten(0, 1), batch["landmarks"].flatten(0, 1)
        predicted = networks[name](noisy, levels, latents["masked"], latents["references"], conditions)
        weights = min_snr_weights(self._scheduler, levels, self.settings.snr_gamma, self._predicts)
        if self._predicts == "clean":
            error = predicted - clean
            # the middle between both: L1 alone leaves blurs, squares alone leave grain
            per_cell = (error.abs() + 2 * error.square()) * self._weights.to(error)
        else:
            per_cell = (predicted - noise).square()
        terms = {self._predicts: (per_cell.mean((1, 2, 3)) * weights).mean()}
        if self._expert is not None:
            terms["sync"] = self.settings.sync_weight * self._out_of_sync(batch, predicted, noisy, clean, levels)
        return terms

    @property
    def _predicts(self) -> str:
        return self._sizes.schedule.predicts

    @torch.no_grad()
    def _latents(self, batch: Batch) -> dict[str, Tensor]:
        parts = {name: batch[name].flatten(0, 1) for name in ("targets", "references", "masked")}
        return {name: encode(self._first_stage, images) for name, images in parts.items()}

    def _levels(self, batch: Batch) -> Tensor:
        """(B F,) noise levels: the frames of an example share one."""
        count = self.settings.highest_level * len(self._scheduler.alphas_cumprod)
        return (batch["level"] * count).long().repeat_interleave(batch["targets"].shape[1])

    def _noised(self, clean: Tensor, levels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        shared = noise.repeat_interleave(len(clean) // len(noise), 0)
        return self._scheduler.add_noise(clean, shared, levels), shared

    def _clean(self, predicted: Tensor, noisy: Tensor, levels: Tensor) -> Tensor:
        if self._predicts == "clean":
            return predicted
        alphas = self._alphas(levels)
        return (noisy - (1 - alphas).sqrt() * predicted) / alphas.sqrt()

    def _alphas(self, levels: Tensor) -> Tensor:
        alphas: Tensor = self._scheduler.alphas_cumprod.to(levels.device)[levels][:, None, None, None]
        return alphas

    def _out_of_sync(self, batch: Batch, predicted: Tensor, noisy: Tensor, clean: Tensor, levels: Tensor) -> Tensor:
        """1 - cosine of made mouths and their sound, mean over the examples that are clear enough."""
        assert self._expert is not None  # noqa: S101 - the caller's
        frames = batch["targets"].shape[1]
        clear = (self._alphas(levels)[::frames].flatten() > CLEAR).repeat_interleave(frames)
        if not clear.any():
            return 0 * predicted.sum()
        kept = self._kept.to(clean)
        made = kept * clean[clear] + (1 - kept) * self._clean(predicted, noisy, levels)[clear]
        images = decode_codes(self._first_stage, made).clamp(-1, 1)
        window = self._sizes.window
        mouths = mouths_of(images, self._sizes.square_px, window.top, window.left)
        mouths = mouths.reshape(-1, frames, *mouths.shape[1:])
        heard_by = self._expert.hear(batch["sound"][clear[::frames]])
        return (1 - (self._expert.see(mouths) * heard_by).sum(-1)).mean()

    def held_out(self) -> dict[str, float]:
        """Mean absolute error of the made region's latents in one call from half way up: of the reference itself, of
        what is made, and of what is made with other frames' sound, which must be worse or the sound goes unheard."""
        device = next(self.denoiser.parameters()).device
        items = [self._test_frames[number] for number in range(_HELD_OUT)]
        batch = {name: values.to(device) for name, values in default_collate(items).items()}
        latents = self._latents(batch)
        clean, references = latents["targets"], latents["references"]
        levels = torch.full((len(clean),), len(self._scheduler.alphas_cumprod) // 2, device=device)
        start = references if self.settings.draft else clean
        noisy, _ = self._noised(start, levels, batch["noise"])
        audio, landmarks = batch["audio"].flatten(0, 1), batch["landmarks"].flatten(0, 1)
        figures = {"reference": self._region_error(references, clean)}
        for name, windows in (("made", audio), ("wrong_sound", audio.roll(len(audio) // 2, 0))):
            context = self.denoiser.context(windows, landmarks)
            predicted = self.denoiser(noisy, levels, latents["masked"], references, context)
            figures[name] = self._region_error(self._clean(predicted, noisy, levels), clean)
        return figures

    def _region_error(self, made: Tensor, truth: Tensor) -> float:
        region = (1 - self._kept.to(truth)).expand_as(truth)
        return float(((made - truth).abs() * region).sum() / region.sum())

    def show(self, writer: SummaryWriter, step: int) -> None:
        """A film of somebody whom training never sees: the truth, the reference or draft, and what is made."""
        film = film_of(self._test.clips[0], self._sizes, self.settings, self.denoiser, self._first_stage)
        put_film(writer, f"{self.name}/truth_reference_made", film, step)

    def save(self, out: Path) -> None:
        """The averaged weights, as the service reads them."""
        with self.averaged_weights():
            checkpoint.save_whole(out / MODEL, self._sizes, self.denoiser, self._first_stage, self._dtype)


def min_snr_weights(scheduler: object, levels: Tensor, gamma: float, predicts: str) -> Tensor:
    """(B,) weight of each level's squared error: min(SNR, gamma), in the terms of what is predicted."""
    snr = compute_snr(scheduler, levels)
    weights: Tensor = snr.clamp(max=gamma)
    return weights / gamma if predicts == "clean" else weights / snr


def weight_map(sizes: DiffTalkConfiguration) -> Tensor:
    """Loss weight of each latent cell (1, 1, h, w): the made region counts, most of all its middle, the mouth."""
    mask = torch.from_numpy(soft_mask(sizes.window))[None, None]
    made = nn.functional.avg_pool2d(mask, sizes.first_stage.factor)
    height, width = made.shape[2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    mouth = torch.exp(-((x / 0.6) ** 2) - (y + 0.15) ** 2 / 0.5**2)  # lips lie above the window's middle
    weights: Tensor = OUTSIDE_WEIGHT + made * (1.0 + 2.0 * mouth)
    return weights / weights.mean()
