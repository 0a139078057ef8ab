"""The paper's way of sampling (DiffTalk, section 3.3), for models of the published kind.

A frame is made from noise, given the source with its lower face hidden (pose and surroundings), a reference face
(identity and looks), the audio windows and the landmarks. Where the release is weak this differs:

- The paper takes the target frame's own landmarks, which nobody has before the frame is made. Here they are the
  source's, moved by the geometric draft of the speech; the 39 points that the model sees hold no mouth and no chin.
- What is kept is fixed in the aligned face square and knows nothing of the target's jaw, whose outline would tell the
  answer; it is composited once more after the last step.
- One noise serves all frames of a video: noise of its own for each frame is seen as jitter.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.talkinghead.difftalk.batches import MICRO_BATCH, Numbers, in_batches
from services.talkinghead.difftalk.codebook import Codebook
from services.talkinghead.difftalk.configuration import LATENT_CHANNELS, DiffTalkConfiguration, PixelWindow
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, decode_codes, encode, to_model_range
from services.talkinghead.difftalk.mask import hide_below_nose, keep_mask, place, soft_mask
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.difftalk.sampler import KeptRegion, OnStep, Sampler, sample, shared_noise

LOWER_FACE: Final = PixelWindow(top=72, left=20, height=54, width=88)
"""What is made, in the 128 px face square: from the nose base (74) to below the lowest chin, wider than the jaw."""

DRAFT_STRENGTH: Final = 0.6
"""Where sampling starts when it is given a draft: as in `small`, which was trained to."""

_SQUARE: Final = 128.0  # edge of the face square in whose pixels landmarks are given


@dataclass(frozen=True)
class PublishedLatents(SourceLatents):
    """All have the shape of `masked`."""

    own: Tensor
    """The source as it is."""
    reference: Tensor
    """The face that shows how the person looks."""


@dataclass
class ProgressiveReference:
    """The frame that was made last is the reference of the next one (DiffTalk, section 3.3).

    It is changed with every frame made, and thus is what one segment of a video leaves to the next.
    """

    latent: Tensor | None = None
    """(1, 3, h, w); None before the first frame: the source's own reference then."""


class PublishedDiffTalk:
    """A loaded model that makes the lower half of face squares."""

    default_steps: Final = 50

    def __init__(self, configuration: DiffTalkConfiguration, denoiser: Denoiser, first_stage: FirstStage) -> None:
        if configuration.refines_draft:
            raise ValueError(f"model {configuration.name!r} refines drafts, it does not start at noise")
        self.configuration = configuration
        self._denoiser, self._first_stage = denoiser.eval(), first_stage.eval()
        self._codebook = Codebook(first_stage)
        size = configuration.square_px
        self.mask = place(soft_mask(LOWER_FACE), LOWER_FACE, size)
        self._keep = keep_mask(self.mask, configuration.first_stage.factor)

    @torch.no_grad()
    def encode_source(
        self,
        square: npt.NDArray[np.uint8],
        landmarks: npt.NDArray[np.float32],
        reference: PublishedLatents | None = None,
    ) -> PublishedLatents:
        """What all frames of a source share, or one frame of a video.

        Args:
            square: aligned face (S, S, 3) uint8, S as the configuration has it.
            landmarks: (68, 2), pixels of the 128 px square.
            reference: of the frame of a video that shows how the person looks; None: this one. A frame that is its
                own reference would give its old lips away.
        """
        pixels = to_model_range(square[None])
        hidden = hide_below_nose(pixels, self._scaled(landmarks[None]))
        masked, own = encode(self._first_stage, torch.cat([hidden, pixels])).chunk(2)
        return PublishedLatents(masked, own, own if reference is None else reference.own)

    @torch.no_grad()
    def refine(
        self,
        source: PublishedLatents,
        drafts: npt.NDArray[np.uint8] | None,
        audio_windows: npt.NDArray[np.float32],
        landmarks: npt.NDArray[np.float32],
        *,
        steps: int,
        seed: int,
        sampler: Sampler = "ddim",
        progressive: ProgressiveReference | None = None,
        on_step: OnStep | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Make face squares.

        Without ``progressive`` a frame depends on its own inputs and the seed alone. With it, frames are made one by
        one in their order and each depends on the one before.

        Args:
            source: from `encode_source`; of a video one for each frame.
            drafts: None for the paper's way; else aligned squares with the lips in place (N, S, S, 3) uint8, which
                are the reference then and from which sampling starts at `DRAFT_STRENGTH`.
            audio_windows: (N, 8, 16, n).
            landmarks: (N, 68, 2), targets, pixels of the 128 px square.
            steps: UNet calls per frame, 1 or more.
            seed: of the noise that all frames share.
            sampler: how to go from noise level to noise level.
            progressive: the reference to begin with; changed to that for the next frame.
            on_step: told (steps done, steps in all) over all batches; may raise to cancel.

        Returns:
            (N, S, S, 3), to be seen where `mask` is above 0.
        """
        if drafts is not None and progressive is not None:
            raise ValueError("a draft is its frame's reference: it cannot be the frame before, too")
        frames, size = len(landmarks), self.configuration.square_px

        def make(chosen: Numbers, report: OnStep) -> npt.NDArray[np.uint8]:
            latents = source.at(chosen)
            context = self._denoiser.context(
                torch.from_numpy(audio_windows[chosen]).float(), self._scaled(landmarks[chosen])
            )
            own = latents.own if drafts is None else encode(self._first_stage, to_model_range(drafts[chosen]))
            reference = latents.reference if drafts is None else own
            if progressive is not None and progressive.latent is not None:
                reference = progressive.latent
            images = self._make(
                (own, latents.masked, reference, context),
                drafted=drafts is not None,
                steps=steps,
                seed=seed,
                sampler=sampler,
                on_step=report,
            )
            if progressive is not None:
                progressive.latent = encode(self._first_stage, images)
            grey = ((images + 1.0) * 127.5).round().to(torch.uint8)
            return grey.permute(0, 2, 3, 1).numpy()

        made = np.empty((frames, size, size, 3), np.uint8)
        batch = MICRO_BATCH if progressive is None else 1
        for numbers, squares in in_batches(frames, make, batch=batch, on_step=on_step):
            made[numbers] = squares
        return made

    def _make(
        self,
        given: tuple[Tensor, Tensor, Tensor, Tensor],
        *,
        drafted: bool,
        steps: int,
        seed: int,
        sampler: Sampler,
        on_step: OnStep,
    ) -> Tensor:
        """Own, masked and reference latents (B or 1, 3, h, w) and context (B, 1, 128) -> (B, 3, S, S) in [-1, 1]."""
        context = given[3]
        # contiguous: kernels round by the layout, and a frame's result must not depend on where a segment was cut
        own, masked, reference = (latent.expand(len(context), -1, -1, -1).contiguous() for latent in given[:3])
        latent = sample(
            lambda noisy, level: self._denoiser(noisy, level, masked, reference, context),
            self.configuration.schedule,
            kept=KeptRegion(own, self._keep, shared_noise((LATENT_CHANNELS, *own.shape[2:]), seed)),
            start=own if drafted else None,
            steps=steps,
            strength=DRAFT_STRENGTH if drafted else 1.0,
            sampler=sampler,
            on_step=on_step,
        )
        return decode_codes(self._first_stage, self._codebook.nearest(latent)).clamp(-1.0, 1.0)

    def _scaled(self, landmarks: npt.NDArray[np.float32]) -> Tensor:
        """(N, 68, 2) in the 128 px square -> in the model's own; pixel centres are the integers in both."""
        scale = self.configuration.square_px / _SQUARE
        return torch.from_numpy((landmarks + 0.5) * np.float32(scale) - np.float32(0.5)).float()
