"""Train the speech network's head on synthetic voices: `python -m services.talkinghead.training.speech WEIGHTS`.

WEIGHTS holds `encoder.safetensors` and receives `head.safetensors`. The encoder stays as it is; its features are
computed once, so that the head learns in a few minutes on one core. Voices that training never hears judge the result.
"""

import argparse
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from services.talkinghead.speech.actions import ACTIONS, FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from services.talkinghead.speech.head import SpeechHead
from services.talkinghead.speech.whisper import LogMel, WhisperEncoder
from services.talkinghead.synthetic.rooms import degrade, noise, tones
from services.talkinghead.synthetic.sentences import sentence
from services.talkinghead.synthetic.visemes import action_curves
from services.talkinghead.synthetic.voices import ESPEAK_VOICES, FLITE_VOICES, Espeak, Utterance, flite

HELD_OUT_VARIANTS: Final = frozenset({"f4", "m7", "Mike", "linda"})
HELD_OUT_FLITE: Final = "awb"
SHORTEST_PAUSE_S: Final = 0.2  # shorter gaps between phones are part of the speech
CROP_FRAMES: Final = 64


@dataclass(frozen=True)
class Clip:
    """Sound at 16 kHz with what a face does at 25 fps."""

    wave: NDArray[np.float32]
    """(640 T,)"""
    actions: NDArray[np.float32]
    """(T, 11)"""
    speaking: NDArray[np.float32]
    """(T,) 1 within speech, 0 in silence and noise."""


@dataclass(frozen=True)
class Example:
    """A clip as the head sees it."""

    features: Tensor
    actions: Tensor
    speaking: Tensor


class Speakers:
    """Draws utterances of training voices or of the held-out ones."""

    def __init__(self, *, held_out: bool, espeak: Espeak) -> None:
        self._espeak = espeak
        self._formant_voices = [
            voice for voice in ESPEAK_VOICES if (voice.split("+")[1] in HELD_OUT_VARIANTS) == held_out
        ]
        self._recorded_voices = [voice for voice in FLITE_VOICES if (voice == HELD_OUT_FLITE) == held_out]

    def say(self, rng: np.random.Generator) -> Utterance:
        """A random sentence in one of the voices."""
        text = sentence(rng)
        if rng.random() < 0.5:
            voice = str(rng.choice(self._recorded_voices))
            # rms, slt and awb take their melody from recordings; kal16 has a mean to set
            pitch_hz = float(rng.uniform(80, 220)) if voice == "kal16" else None
            return flite(text, voice, float(rng.uniform(0.8, 1.3)), pitch_hz)
        voice = str(rng.choice(self._formant_voices))
        return self._espeak.say(text, voice, rng.uniform(120, 210), rng.uniform(20, 85), rng.uniform(20, 80))


def speaking_frames(phones: list[tuple[float, str]], n_frames: int) -> NDArray[np.float32]:
    """(n_frames,) 1 from the first phone to the last, except in pauses of 0.2 s and more."""
    time_s = (np.arange(n_frames) + 0.5) / FPS
    speaking = np.zeros(n_frames, np.float32)
    for (start, phone), (end, _) in itertools.pairwise(phones):
        if phone.strip("ˈˌ ") or end - start < SHORTEST_PAUSE_S:
            speaking[(time_s >= start) & (time_s < end)] = 1
    return speaking


def clip(rng: np.random.Generator, speakers: Speakers) -> Clip:
    """3 to 30 s: utterances and pauses, or now and then no speech at all; then a room, a microphone and noise."""
    n_frames = int(rng.integers(3 * FPS, 30 * FPS + 1))
    wave = np.zeros(n_frames * SAMPLES_PER_FRAME, np.float32)
    actions = np.zeros((n_frames, len(ACTIONS)), np.float32)
    speaking = np.zeros(n_frames, np.float32)
    if rng.random() < 0.1:
        quiet = noise(rng, len(wave)) if rng.random() < 0.6 else tones(rng, len(wave))
        level = 0.0 if rng.random() < 0.2 else 10 ** rng.uniform(-4, -0.5)
        return Clip((quiet * level).astype(np.float32), actions, speaking)

    at = int(rng.integers(0, FPS))
    while at < n_frames:
        said = speakers.say(rng)
        peak = np.abs(said.wave).max() + 1e-6
        curves = action_curves(said.wave, said.phones)
        voiced = speaking_frames(said.phones, len(curves))
        stop = min(at + len(curves), n_frames)
        samples = said.wave[: (stop - at) * SAMPLES_PER_FRAME] / peak * rng.uniform(0.4, 1.0)
        wave[at * SAMPLES_PER_FRAME :][: len(samples)] = samples
        actions[at:stop] = (curves * voiced_ramp(voiced))[: stop - at]
        speaking[at:stop] = voiced[: stop - at]
        at = stop + int(rng.integers(3, 2 * FPS))
    return Clip(degrade(rng, wave), actions, speaking)


def voiced_ramp(speaking: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 1): 1 in speech and one frame around it, so that the lips' own release is learnt, 0 elsewhere."""
    return (np.convolve(speaking, np.ones(3), mode="same") > 0).astype(np.float32)[:, None]


@torch.inference_mode()
def examples(clips: list[Clip], encoder: WhisperEncoder) -> list[Example]:
    """What the encoder hears in each clip, beside what the face does."""
    log_mel = LogMel()
    return [
        Example(
            encoder(log_mel(torch.from_numpy(each.wave)[None]))[0],
            torch.from_numpy(each.actions),
            torch.from_numpy(each.speaking),
        )
        for each in clips
    ]


def batch(rng: np.random.Generator, data: list[Example], size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Crops of 2.56 s: features (B, 128, 512), actions (B, 64, 11), speaking (B, 64); longer clips come oftener."""
    lengths = np.array([len(each.speaking) for each in data], np.float64)
    rows = []
    for index in rng.choice(len(data), size, p=lengths / lengths.sum()):
        each = data[index]
        start = int(rng.integers(0, len(each.speaking) - CROP_FRAMES + 1))
        frames, vectors = slice(start, start + CROP_FRAMES), slice(2 * start, 2 * (start + CROP_FRAMES))
        rows.append((each.features[vectors], each.actions[frames], each.speaking[frames]))
    features, actions, speaking = zip(*rows, strict=True)
    return torch.stack(features), torch.stack(actions), torch.stack(speaking)


def fit(data: list[Example], *, steps: int, seed: int, batch_size: int = 16) -> SpeechHead:
    """AdamW with one cycle; squared error per action in units of its spread, and cross-entropy of speech."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = SpeechHead()
    spread = torch.cat([each.actions for each in data]).std(0)
    optimizer = torch.optim.AdamW(head.parameters(), 1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        features, actions, speaking = batch(rng, data, batch_size)
        _, guessed, logits = head(features.float())
        loss = F.mse_loss(guessed / spread, actions / spread) + F.binary_cross_entropy_with_logits(logits, speaking)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return head.eval()


@torch.inference_mode()
def judge(head: SpeechHead, data: list[Example]) -> dict[str, float]:
    """R2 of every action and the share of frames whose "somebody speaks" is right."""
    guessed, truth, right = [], [], []
    for each in data:
        _, actions, logits = head(each.features[None].float())
        guessed.append(actions[0].clamp(0, 1))
        truth.append(each.actions)
        right.append(((logits[0] > 0) == (each.speaking > 0.5)).float())
    errors = (torch.cat(guessed) - torch.cat(truth)).square().mean(0)
    r2 = 1 - errors / torch.cat(truth).var(0)
    figures = {name: round(float(value), 3) for name, value in zip(ACTIONS, r2, strict=True)}
    return figures | {"speaking": round(float(torch.cat(right).mean()), 3)}


def main() -> None:
    """Train the head on made speech for a while, measure it on held-out voices, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    weights = load_file(arguments.weights / "encoder.safetensors")
    encoder = WhisperEncoder(len({name.split(".")[1] for name in weights if name.startswith("layers.")})).eval()
    encoder.load_state_dict(weights)

    espeak, began = Espeak(), time.monotonic()
    sets = {}
    for held_out, minutes in ((True, arguments.minutes / 8), (False, arguments.minutes)):
        rng = np.random.default_rng([arguments.seed, int(held_out)])
        speakers = Speakers(held_out=held_out, espeak=espeak)
        clips: list[Clip] = []
        while sum(len(each.wave) for each in clips) < minutes * 60 * SAMPLE_RATE_HZ:
            clips.append(clip(rng, speakers))
        sets[held_out] = examples(clips, encoder)
    print(f"features after {time.monotonic() - began:.0f} s")
    head = fit(sets[False], steps=arguments.steps, seed=arguments.seed)
    save_file(head.state_dict(), arguments.weights / "head.safetensors", metadata={"seed": str(arguments.seed)})
    print(json.dumps({"training": judge(head, sets[False]), "held_out": judge(head, sets[True])}, indent=1))


if __name__ == "__main__":
    main()
