"""The model that refines drafts, used otherwise: what its steps, its strength and what it hears are good for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.batches import MICRO_BATCH
from services.talkinghead.difftalk.pipeline import DiffTalk, SourceLatents
from services.talkinghead.difftalk.published import PublishedDiffTalk
from services.talkinghead.difftalk.sampler import OnStep, Sampler


@dataclass(frozen=True)
class Walk:
    """From the noised draft to the mouth."""

    steps: int
    """0: the draft is what is made."""
    strength: float | None = None
    """None: the model's own."""
    other_sound: bool = False
    """The model hears another moment than the draft was made for: if this costs nothing, it is deaf."""


WALKS: Final[Mapping[str, Walk]] = {
    "draft alone": Walk(0),
    "1 step": Walk(1),
    "2 steps": Walk(2),
    "8 steps": Walk(8),
    "strength 0.3": Walk(4, 0.3),
    "strength 0.8": Walk(4, 0.8),
    "other sound": Walk(4, other_sound=True),
}
"""Each differs in one thing from what is made: 4 steps, strength 0.6."""


class Walking(DiffTalk):
    """The same networks, whatever steps and strength a request asks for."""

    def __init__(self, model: DiffTalk, walk: Walk) -> None:
        super().__init__(model.configuration, model._denoiser, model._first_stage)
        self.walk = walk

    def refine(
        self,
        source: SourceLatents,
        drafts: NDArray[np.uint8],
        audio_windows: NDArray[np.float32],
        landmarks: NDArray[np.float32],
        *,
        steps: int,
        seed: int,
        strength: float | None = None,
        sampler: Sampler = "ddim",
        batch: int = MICRO_BATCH,
        on_step: OnStep | None = None,
    ) -> NDArray[np.float32]:
        """As `DiffTalk.refine`; ``steps`` and ``strength`` are the walk's own."""
        if self.walk.steps == 0:
            return np.zeros(drafts.shape, np.float32)
        return super().refine(
            source,
            drafts,
            audio_windows,
            landmarks,
            steps=self.walk.steps,
            seed=seed,
            strength=self.walk.strength,
            sampler=sampler,
            batch=batch,
            on_step=on_step,
        )


def walking(model: DiffTalk | PublishedDiffTalk) -> dict[str, Walking]:
    """Raises ValueError: the model starts from no draft."""
    if not isinstance(model, DiffTalk):
        raise ValueError(
            f"variants: the model {model.configuration.name!r} refines no drafts, and has no such variants"
        )
    return {name: Walking(model, walk) for name, walk in WALKS.items()}


def heard_elsewhere(speech: PreparedSpeech) -> PreparedSpeech:
    """The draft's actions stay; the model hears what is said half of the speech later."""
    return replace(speech, features=np.roll(speech.features, len(speech.features) // 2, axis=0))
