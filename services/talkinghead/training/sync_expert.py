"""The sync expert's training: of the mouths and sounds of a batch, which belong together?

Several moments of one clip are in every batch, so that voice and face do not tell the answer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from torch.utils.data import Dataset

from services.talkinghead.footage.prepare import write_whole
from services.talkinghead.sync.expert import FRAMES, SyncExpert, contrast, mouths_of, sound_at
from services.talkinghead.training.clips import Change, DrawnClips, Item, Parts, Places, in_model_range, rng_of, wave_of
from services.talkinghead.training.configuration import StageSettings
from services.talkinghead.training.run_folder import SYNC_EXPERT
from services.talkinghead.training.stage import Batch, Losses, Stage

MOMENTS: Final = 4
"""Of one clip in each example."""
_HELD_OUT: Final = 32


class Moments(Dataset[Item]):
    """`mouths` (4, 5, 3, 48, 64) and `sound` (4, 80, 20) of one clip."""

    def __init__(self, clips: DrawnClips, seed: int) -> None:
        self._clips, self._seed = clips, seed

    def __getitem__(self, number: int) -> Item:
        rng = rng_of(self._seed, number)
        clip, _ = self._clips.draw(rng)
        firsts = apart(self._clips.rows_of(clip), rng)
        pictures = clip.pictures((firsts[:, None] + np.arange(FRAMES)).reshape(-1))
        images = Change(rng).pictures(in_model_range(pictures))
        mouths = mouths_of(torch.from_numpy(images), clip.square_px)
        sound = sound_at(wave_of(clip), clip.places[firsts])
        return {"mouths": mouths.reshape(MOMENTS, FRAMES, *mouths.shape[1:]), "sound": sound}


def apart(firsts: Places, rng: np.random.Generator) -> Places:
    """Four of ``firsts`` at random that share no picture, or that at least are not the same where so many cannot be."""
    shuffled = rng.permutation(firsts)
    chosen: list[int] = []
    for first in shuffled:
        if all(abs(first - other) >= FRAMES for other in chosen):
            chosen.append(int(first))
    others = [int(first) for first in shuffled if first not in chosen]
    return np.resize([*chosen, *others], MOMENTS).astype(np.int64)


class SyncExpertTraining(Stage):
    """See the module's docstring."""

    name = "sync_expert"

    def __init__(self, settings: StageSettings, clips: Parts, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.examples = Moments(clips.train, seed)
        self._test = Moments(clips.test, seed)
        self.expert = SyncExpert()
        self.learning = {"expert": self.expert}

    def losses(self, name: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Losses:
        """Cross-entropy."""
        logits = networks[name](batch["mouths"].flatten(0, 1), batch["sound"].flatten(0, 1))
        return {"contrast": contrast(logits)}

    def held_out(self) -> dict[str, float]:
        """How often the right one of four sounds of the same clip goes best with the mouth; a quarter is chance."""
        device = self.expert.sharpness.device
        right = []
        for number in range(_HELD_OUT):
            example = self._test[number]
            logits = self.expert(example["mouths"].to(device), example["sound"].to(device))
            right.append((logits.argmax(1).cpu() == torch.arange(MOMENTS)).float())
        return {"right_of_four": float(torch.cat(right).mean())}

    def save(self, out: Path) -> None:
        """As `evaluate --sync-expert` reads it."""
        weights = {name: tensor.contiguous().cpu() for name, tensor in self.expert.state_dict().items()}
        write_whole(out / SYNC_EXPERT, save(weights))
