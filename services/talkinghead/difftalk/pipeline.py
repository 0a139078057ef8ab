"""Drafts in, refined mouths out: the sampling pipeline that the service calls."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.batches import MICRO_BATCH, Numbers, in_batches
from services.talkinghead.difftalk.codebook import Codebook
from services.talkinghead.difftalk.configuration import LATENT_CHANNELS, DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, decode_codes, encode, to_model_range
from services.talkinghead.difftalk.mask import hide, keep_mask, soft_mask
from services.talkinghead.difftalk.sampler import (
    KeptRegion,
    OnStep,
    Sampler,
    sample,
    shared_noise,
)

_GREY_LEVELS = 127.5  # from [-1, 1] to grey levels


@dataclass(frozen=True)
class SourceLatents:
    """What is computed once for a source face, or for each frame of a video that has one."""

    masked: Tensor
    """Latent of the source with its mouth hidden: (1, 3, h, w), or (N, 3, h, w) for N frames of a video."""

    @staticmethod
    def of_frames(frames: Sequence["SourceLatents"]) -> "SourceLatents":
        """Each frame's own, one behind the other."""
        kind = type(frames[0])
        return kind(*(torch.cat([getattr(frame, part.name) for frame in frames]) for part in fields(kind)))

    def at(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Those of some frames; a still's are the same for all."""
        if len(self.masked) == 1:
            return self
        return type(self)(*(getattr(self, part.name)[numbers] for part in fields(self)))


class DiffTalk:
    """A loaded model that refines drafts of talking face squares."""

    default_steps: Final = 4

    def __init__(self, configuration: DiffTalkConfiguration, denoiser: Denoiser, first_stage: FirstStage) -> None:
        if not configuration.refines_draft:
            raise ValueError(f"model {configuration.name!r} does not refine drafts")
        self.configuration = configuration
        self._denoiser, self._first_stage = denoiser.eval(), first_stage.eval()
        self._codebook = Codebook(first_stage)
        self._mask = soft_mask(configuration.window)
        self._keep = keep_mask(self._mask, configuration.first_stage.factor)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder, as `checkpoint.save` writes it."""
        return cls(*checkpoint.load(folder))

    @torch.no_grad()
    def encode_source(self, square: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.float32]) -> SourceLatents:
        """What all frames of a source share.

        Args:
            square: aligned face (128, 128, 3) uint8.
            landmarks: (68, 2), pixels of the square. The mask is fixed in the aligned square and independent of them.
        """
        hidden = hide(self._window(square[None]), self._mask)
        return SourceLatents(masked=encode(self._first_stage, hidden))

    @torch.no_grad()
    def refine(
        self,
        source: SourceLatents,
        drafts: npt.NDArray[np.uint8],
        audio_windows: npt.NDArray[np.float32],
        landmarks: npt.NDArray[np.float32],
        *,
        steps: int,
        seed: int,
        strength: float | None = None,
        sampler: Sampler = "ddim",
        batch: int = MICRO_BATCH,
        on_step: OnStep | None = None,
    ) -> npt.NDArray[np.float32]:
        """Refine the mouths of drafted frames.

        A frame's result depends on its own draft, audio and landmarks and on the seed, not on its neighbours in the
        call: micro-batches have a fixed size, the last one is filled up.

        Args:
            source: from `encode_source`; of a video one for each draft.
            drafts: aligned squares with the lips in place (N, 128, 128, 3) uint8.
            audio_windows: (N, 8, 16, C), see `audio_encoder.audio_windows`.
            landmarks: (N, 68, 2), pixels of the square.
            steps: UNet calls per frame, 1 or more.
            seed: of the noise that all frames share.
            strength: in (0, 1]; None takes the model's own.
            sampler: how to go from noise level to noise level.
            batch: frames per UNet call; another number may round otherwise. It is halved once where memory runs out,
                see `in_batches`.
            on_step: told (steps done, steps in all) over all micro-batches; may raise to cancel.

        Returns:
            The change to add to the drafts, in grey levels: (N, 128, 128, 3) float32 in [-255, 255], 0 outside the
            mask. It is the decoded result minus the decoded draft, so what the first stage blurs cancels out.
        """
        frames = len(drafts)
        if not frames == len(audio_windows) == len(landmarks):
            raise ValueError(
                f"drafts, audio_windows and landmarks have {frames}, {len(audio_windows)} and {len(landmarks)} frames, "
                "must agree"
            )
        change = np.zeros(drafts.shape, np.float32)
        w = self.configuration.window

        def make(chosen: Numbers, report: OnStep) -> npt.NDArray[np.float32]:
            return self._refine_batch(
                source.at(chosen),
                self._window(drafts[chosen]),
                torch.from_numpy(audio_windows[chosen]).float(),
                torch.from_numpy(landmarks[chosen]).float(),
                steps=steps,
                seed=seed,
                strength=strength if strength is not None else self.configuration.strength,
                sampler=sampler,
                on_step=report,
            )

        for numbers, made in in_batches(frames, make, batch=batch, on_step=on_step):
            change[numbers, w.top : w.top + w.height, w.left : w.left + w.width] = made
        return change

    def _refine_batch(
        self,
        source: SourceLatents,
        drafts: Tensor,
        audio_windows: Tensor,
        landmarks: Tensor,
        *,
        steps: int,
        seed: int,
        strength: float,
        sampler: Sampler,
        on_step: OnStep,
    ) -> npt.NDArray[np.float32]:
        """Window drafts (B, 3, H, W) in [-1, 1] -> change of the window in grey levels (B, H, W, 3)."""
        # 1. Latents of the drafts: the aligned reference, the start and the kept region
        reference = encode(self._first_stage, drafts)
        masked = source.masked.expand_as(reference)
        context = self._denoiser.context(audio_windows, landmarks)

        # 2. Denoise from the drafts at partial noise, the kept region held to the draft
        noise = shared_noise((LATENT_CHANNELS, *reference.shape[2:]), seed)
        latent = sample(
            lambda noisy, level: self._denoiser(noisy, level, masked, reference, context),
            self.configuration.schedule,
            kept=KeptRegion(source=reference, keep=self._keep, noise=noise),
            start=reference,
            steps=steps,
            strength=strength,
            sampler=sampler,
            on_step=on_step,
        )

        # 3. Decode result and draft alike; their difference is the change
        codes = self._codebook.nearest(torch.cat([latent, reference]))
        made, drafted = decode_codes(self._first_stage, codes).clamp(-1.0, 1.0).chunk(2)
        change = (made - drafted) * _GREY_LEVELS * torch.from_numpy(self._mask)
        return change.permute(0, 2, 3, 1).numpy()

    def _window(self, squares: npt.NDArray[np.uint8]) -> Tensor:
        w = self.configuration.window
        return to_model_range(squares[:, w.top : w.top + w.height, w.left : w.left + w.width])
