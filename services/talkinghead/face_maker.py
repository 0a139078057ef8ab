"""One request's way of making faces: by a model that refines drafts, or by one of the published kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from services.common.errors import ProblemError
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.pipeline import DiffTalk, SourceLatents
from services.talkinghead.difftalk.published import ProgressiveReference, PublishedDiffTalk, PublishedLatents
from services.talkinghead.draft.warp import Bytes, Canvas, Motion, PortraitWarp
from services.talkinghead.paste import match_light, paste_change, paste_square
from services.talkinghead.schemas import SegmentOptions, Way

Floats = NDArray[np.float32]
Faces = NDArray[np.generic]
FaceModel: TypeAlias = DiffTalk | PublishedDiffTalk

_STATE: Final = "reference"


def check_way(way: Way, configuration: DiffTalkConfiguration) -> None:
    """Raises invalid_request where the loaded model cannot be used in this way."""
    if configuration.refines_draft and way.draft is False:
        raise _unfit("draft", f"the model {configuration.name!r} refines drafts and makes nothing without them")
    if configuration.refines_draft and way.progressive:
        raise _unfit("progressive", f"the reference of the model {configuration.name!r} is the draft of each frame")
    if way.draft and way.progressive:
        raise _unfit("progressive", "a draft is its frame's reference: it cannot be the frame before, too")


def _unfit(param: str, reason: str) -> ProblemError:
    return ProblemError("invalid_request", f"{param}: {reason}", param=param)


@dataclass(frozen=True)
class FaceMaker:
    """A model, and how a request wants it used."""

    model: FaceModel
    options: SegmentOptions
    check: Callable[[], None]
    """Called between steps; raises to stop the work."""
    progressive: ProgressiveReference | None = None

    @classmethod
    def of(
        cls, model: FaceModel, options: SegmentOptions, check: Callable[[], None], state: bytes | None = None
    ) -> Self:
        """``state`` is what the segment before left. Raises invalid_request."""
        check_way(options, model.configuration)
        if options.progressive is False and state is not None:
            raise _unfit("state", "only a progressive video hands a state from segment to segment; leave it out")
        if options.progressive and (state is None) != (options.first_frame == 0):
            raise _unfit(
                "state",
                f"frame {options.first_frame}: every segment but the first begins with what the last one left",
            )
        return cls(model, options, check, _progressive(state, model) if options.progressive else None)

    @property
    def drafts(self) -> bool:
        """Does the model want drafts?"""
        return self.model.configuration.refines_draft or self.options.draft is True

    @property
    def square_px(self) -> int:
        """Edge of the face squares that the model works on."""
        return self.model.configuration.square_px

    @property
    def state(self) -> bytes | None:
        """What is left to the next segment; None where segments do not depend on each other."""
        if self.progressive is None:
            return None
        latent = self.progressive.latent
        data: bytes = save({} if latent is None else {_STATE: latent.contiguous()})
        return data

    def encode(self, square: Bytes, landmarks: Floats, reference: SourceLatents | None = None) -> SourceLatents:
        """What the frames of (S, S, 3) ``square`` share; ``reference`` shows how the person of a video looks."""
        if isinstance(self.model, PublishedDiffTalk):
            assert reference is None or isinstance(reference, PublishedLatents)  # noqa: S101 - of the same model
            return self.model.encode_source(square, landmarks, reference)
        return self.model.encode_source(square, landmarks)

    def make(self, source: SourceLatents, drafts: Bytes | None, windows: Floats, landmarks: Floats) -> Faces:
        """N frames' faces, for ``paste``: of drafts (N, S, S, 3) where they are wanted, windows (N, 8, 16, n) and
        target landmarks (N, 68, 2) in the 128 px square."""
        steps = self.options.steps or self.model.default_steps
        seed, sampler = self.options.seed, self.options.sampler
        if isinstance(self.model, PublishedDiffTalk):
            assert isinstance(source, PublishedLatents)  # noqa: S101 - of the same model
            return self.model.refine(
                source,
                drafts,
                windows,
                landmarks,
                steps=steps,
                seed=seed,
                sampler=sampler,
                progressive=self.progressive,
                on_step=self._on_step,
            )
        assert drafts is not None  # noqa: S101 - see `drafts`
        return self.model.refine(
            source, drafts, windows, landmarks, steps=steps, seed=seed, sampler=sampler, on_step=self._on_step
        )

    def lit(self, face: Faces, draft: Bytes, warp: PortraitWarp, motion: Motion | None, light: Floats) -> Faces:
        """What was made of a ``draft`` (S, S, 3), in the ``light`` (3,) of its face: the model that refines drafts
        learned teeth on rendered heads."""
        if isinstance(self.model, PublishedDiffTalk) or motion is None:
            return face
        return match_light(np.asarray(face, np.float32), draft, warp.unseen(self.square_px, motion), light)

    def paste(self, frame: Bytes, face: Faces, canvas: Canvas, gain: float) -> None:
        """One of what ``make`` made, into (H, W, 3) ``frame`` in place."""
        if isinstance(self.model, PublishedDiffTalk):
            paste_square(frame, np.asarray(face, np.float32), self.model.mask, canvas, gain)
        else:
            paste_change(frame, np.asarray(face, np.float32), canvas, gain)

    def _on_step(self, _done: int, _of: int) -> None:
        self.check()


def _progressive(state: bytes | None, model: FaceModel) -> ProgressiveReference:
    if state is None:
        return ProgressiveReference()
    try:
        latent = load(state).get(_STATE)
    except SafetensorError as error:
        raise _unfit("state", f"it is none ({error}); the answer of the segment before holds it") from None
    if latent is None:  # nothing was said in any segment before
        return ProgressiveReference()
    configuration = model.configuration
    edge = configuration.square_px // configuration.first_stage.factor
    if latent.shape != (1, 3, edge, edge) or latent.dtype != torch.float32:
        raise _unfit("state", f"it holds {tuple(latent.shape)} of {latent.dtype}; (1, 3, {edge}, {edge}) is expected")
    return ProgressiveReference(latent)
