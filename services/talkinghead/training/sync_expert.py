"""The sync expert's training: of the mouths and sounds of a batch, which belong together?

Several moments of one clip are in every batch, so that voice and face do not tell the answer. What a set has little of
is varied, see `training.recording`.
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
from services.talkinghead.speech.actions import FPS
from services.talkinghead.sync.agreement import expert_agreement
from services.talkinghead.sync.expert import FRAMES, MOUTH, SyncExpert, contrast, mouths_of, sound_at
from services.talkinghead.training.clips import Change, DrawnClips, Item, Parts, Places, in_model_range, rng_of, wave_of
from services.talkinghead.training.configuration import StageSettings
from services.talkinghead.training.recording import another_camera, another_voice
from services.talkinghead.training.run_folder import SYNC_EXPERT
from services.talkinghead.training.stage import DTYPES, Batch, Losses, Stage

MOMENTS: Final = 4
"""Of one clip in each example."""
_HELD_OUT: Final = 32
_HELD_OUT_CLIPS: Final = 24
_HELD_OUT_PICTURES: Final = 75
_NEAR_MS: Final = 40


class Moments(Dataset[Item]):
    """`mouths` (4, 5, 3, 48, 64) and `sound` (4, 80, 20) of one clip; ``varied``: by another camera and voice."""

    def __init__(self, clips: DrawnClips, seed: int, *, varied: bool) -> None:
        self._clips, self._seed, self._varied = clips, seed, varied

    def __getitem__(self, number: int) -> Item:
        rng = rng_of(self._seed, number)
        clip, _ = self._clips.draw(rng)
        firsts = apart(self._clips.rows_of(clip), rng)
        pictures = clip.pictures((firsts[:, None] + np.arange(FRAMES)).reshape(-1))
        sound = sound_at(wave_of(clip), clip.places[firsts])
        if self._varied:
            scale = clip.square_px // 128
            images = Change(rng).pictures(in_model_range(another_camera(pictures, rng)))
            mouths = mouths_of(torch.from_numpy(images), clip.square_px, MOUTH.top * scale, MOUTH.left * scale)
            sound = another_voice(sound, rng)
        else:
            mouths = mouths_of(torch.from_numpy(in_model_range(pictures)), clip.square_px)
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

    def __init__(self, settings: StageSettings, clips: Parts, seed: int, weights_as: str) -> None:
        super().__init__()
        self._dtype = DTYPES[weights_as]
        self.settings = settings
        self.examples = Moments(clips.train, seed, varied=True)
        self._test, self._test_clips = Moments(clips.test, seed, varied=False), clips.test.clips[:_HELD_OUT_CLIPS]
        self.expert = SyncExpert()
        self.learning = {"expert": self.expert}

    def losses(self, name: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Losses:
        """Cross-entropy."""
        logits = networks[name](batch["mouths"].flatten(0, 1), batch["sound"].flatten(0, 1))
        return {"contrast": contrast(logits)}

    def held_out(self) -> dict[str, float]:
        """`right_of_four`: how often the right one of four sounds of the same clip goes best with the mouth (a quarter
        is chance). `in_step`: the share of the clips whose lag, one of 31, is found within a frame (a tenth is chance).
        """
        device = self.expert.sharpness.device
        right = []
        for number in range(_HELD_OUT):
            example = self._test[number]
            logits = self.expert(example["mouths"].to(device), example["sound"].to(device))
            right.append((logits.argmax(1).cpu() == torch.arange(MOMENTS)).float())
        return {"right_of_four": float(torch.cat(right).mean()), "in_step": self._in_step()}

    def _in_step(self) -> float:
        expert = SyncExpert().eval()
        expert.load_state_dict({name: tensor.cpu() for name, tensor in self.expert.state_dict().items()})
        near = []
        for clip in self._test_clips:
            times_s, some = (clip.places + 0.5) / FPS, slice(_HELD_OUT_PICTURES)
            _, offset_ms = expert_agreement(expert, clip.pictures(some), times_s[some], wave_of(clip))
            near.append(offset_ms is not None and abs(offset_ms) <= _NEAR_MS)
        return float(np.mean(near))

    def save(self, out: Path) -> None:
        """As `evaluate --sync-expert` reads it."""
        weights = self.expert.state_dict().items()
        stored = {name: tensor.to("cpu", self._dtype).contiguous() for name, tensor in weights}
        write_whole(out / SYNC_EXPERT, save(stored))
