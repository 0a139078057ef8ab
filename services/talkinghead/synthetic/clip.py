"""Render talking heads: `python -m services.talkinghead.synthetic.clip ASSETS OUT FIRST LAST [--contiguous]`.

Each number from FIRST to LAST - 1 is a seed and becomes OUT/NNNN.npz, one person saying one sentence:

- `frames` (N, 128, 128, 3) uint8, face squares (`services.talkinghead.face.square`); the first one is the face at rest
- `lm` (N, 68, 2) float32, landmarks in the square; `inner` (N, 128, 128) uint8, the mouth's inside
- `act` (T, 11) float32, the whole sentence's facial actions at 25 fps; `idx` (N,), which of its frames were rendered
- `wav` int16 at 16 kHz; `still`, whether the head stays; `open_rest`, whether the mouth stands open at rest; `seed`
"""

import argparse
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray

from services.talkinghead.face.square import FaceSquare
from services.talkinghead.speech.actions import ACTIONS, FPS, SAMPLES_PER_FRAME
from services.talkinghead.synthetic.assets import HeadAssets
from services.talkinghead.synthetic.head import HeadModel, arkit
from services.talkinghead.synthetic.person import Person
from services.talkinghead.synthetic.sentences import sentence
from services.talkinghead.synthetic.studio import Studio
from services.talkinghead.synthetic.visemes import action_curves
from services.talkinghead.synthetic.voices import ESPEAK_VOICES, Espeak

PICTURE_PX: Final = 256
FRAMES: Final = 30
CONTIGUOUS_FRAMES: Final = 50
STILL_SHARE: Final = 0.88
LARGEST_ANGLE: Final = 0.36
FULL_PRESS: Final = 0.25  # of mouthPress, at which lips that rest open are shut

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sentence:
    wave: Floats
    """(640 T,) with silence before and behind"""
    actions: Floats
    """(T, 11)"""


def speak(rng: np.random.Generator, espeak: Espeak) -> Sentence:
    text = sentence(rng)
    voice = ESPEAK_VOICES[rng.integers(len(ESPEAK_VOICES))]
    said = espeak.say(text, voice, rng.uniform(125, 200), rng.uniform(25, 80), rng.uniform(20, 80))
    lead, tail = int(rng.integers(8, 13)), int(rng.integers(8, 15))
    padding = lead * SAMPLES_PER_FRAME, tail * SAMPLES_PER_FRAME + -len(said.wave) % SAMPLES_PER_FRAME
    wave = np.pad(said.wave, padding)
    wave = wave / (np.abs(wave).max() + 1e-6) * rng.uniform(0.3, 0.95)
    phones = [(start + lead / FPS, phone) for start, phone in said.phones]
    actions = action_curves(wave, phones, gain=rng.uniform(0.9, 1.3))
    actions[actions < 1e-3] = 0
    return Sentence(wave, actions)


@dataclass(frozen=True)
class Mien:
    """What the face does apart from speech."""

    rest: dict[str, float]
    """Actions that last."""
    opening: dict[str, float]
    """Actions that hold the lips apart at rest; speech takes over from them, and p, b, m undo them."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Mien":
        rest: dict[str, float] = {}
        opening: dict[str, float] = {}
        for name, spread, mean in (
            ("mouthSmile", 0.10, 0.06),
            ("mouthFrown", 0.04, 0),
            ("browDown", 0.06, 0),
            ("eyeSquint", 0.12, 0),
            ("eyeWide", 0.08, 0),
            ("cheekSquint", 0.12, 0),
        ):
            rest |= _both(name, max(0, rng.normal(mean, spread)))
        rest["browInnerUp"] = max(0, rng.normal(0, 0.12))
        rest["mouthLeft"] = max(0, rng.normal(0, 0.06))
        kind = rng.random()
        if kind < 0.18:  # a smile that shows teeth
            rest |= _both("mouthSmile", rng.uniform(0.35, 0.75))
            rest |= _both("cheekSquint", rng.uniform(0, 0.4))
            opening |= _both("mouthUpperUp", rng.uniform(0.15, 0.5))
            opening |= _both("mouthLowerDown", rng.uniform(0.1, 0.4))
            opening["jawOpen"] = rng.uniform(0, 0.15)
        elif kind < 0.30:  # a smile with closed lips
            rest |= _both("mouthSmile", rng.uniform(0.25, 0.6))
        elif kind < 0.45:  # lips a little apart
            opening["jawOpen"] = rng.uniform(0.04, 0.16)
        return cls(rest, opening)

    def with_speech(self, actions: Floats, blink: float) -> dict[str, float]:
        """ARKit's actions of one frame; ``actions`` (11,)."""
        shut = np.clip(actions[ACTIONS.index("mouthPress")] / FULL_PRESS, 0, 1)
        talking = np.clip(actions.sum() / 0.6, 0, 1)
        face = dict(self.rest)
        for name, strength in self.opening.items():
            face[name] = face.get(name, 0) + strength * (1 - shut) * (1 - 0.5 * talking)
        for name, strength in arkit(actions).items():
            face[name] = face.get(name, 0) + strength
        return face | _both("eyeBlink", blink)


def _both(name: str, strength: float) -> dict[str, float]:
    return {f"{name}Left": strength, f"{name}Right": strength}


def sway(rng: np.random.Generator, time_s: Floats, amplitude: float) -> Floats:
    """Slow random motion, three sines below 1 Hz."""
    out = np.zeros_like(time_s)
    for frequency_hz in rng.uniform(0.1, 0.9, 3):
        strength = amplitude / 2 * rng.normal()
        out += strength * np.sin(2 * np.pi * frequency_hz * time_s + rng.uniform(0, 6.3))
    return out


def blinks(rng: np.random.Generator, time_s: Floats) -> Floats:
    """A blink of about 0.2 s every 1.5 to 5 s."""
    out, at = np.zeros_like(time_s), rng.uniform(0.5, 3)
    while at < time_s[-1]:
        out = np.maximum(out, np.clip(1.15 - np.abs(time_s - at) / 0.1, 0, 1))
        at += rng.uniform(1.5, 5)
    return out


def background(rng: np.random.Generator, pictures: list[NDArray[np.uint8]]) -> Floats:
    """(256, 256, 3): a blurred cut of a photograph, or a gradient with soft noise."""
    size = PICTURE_PX
    if rng.random() < 0.35:
        picture = pictures[rng.integers(len(pictures))]
        edge = rng.integers(size // 2, min(picture.shape[:2]))
        top, left = (rng.integers(0, length - edge + 1) for length in picture.shape[:2])
        cut = cv2.resize(picture[top : top + edge, left : left + edge], (size, size)).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(cut, (0, 0), rng.uniform(0.5, 6)))
    first, second = rng.uniform(10, 240, 3), rng.uniform(10, 240, 3)
    if rng.random() < 0.5:
        second = np.clip(first + rng.normal(0, 25, 3), 0, 255)
    angle = rng.uniform(0, 6.28)
    y, x = np.mgrid[:size, :size] / size - 0.5
    share = np.clip(np.cos(angle) * x + np.sin(angle) * y + 0.5, 0, 1)[..., None]
    grain = rng.normal(0, 1, (size, size, 3)).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(1, 20))
    grain = grain / (grain.std() + 1e-6) * rng.uniform(0, 18)
    return np.asarray(np.clip(first * (1 - share) + second * share + grain, 0, 255))


def render(
    model: HeadModel, assets: HeadAssets, pictures: list[NDArray[np.uint8]], seed: int, *, contiguous: bool
) -> dict[str, Any]:
    """One clip, as described above; ``contiguous`` renders the first 50 frames instead of 30 random ones."""
    rng = np.random.default_rng(seed)
    person = Person(model, assets, rng)
    studio = Studio(model, person, rng, PICTURE_PX)
    said = speak(rng, Espeak())
    n_frames = len(said.actions)
    time_s = np.arange(n_frames) / FPS
    still = seed % 6 != 5 if contiguous else bool(rng.random() < STILL_SHARE)
    angles = []
    for spread, limit, amplitude in ((0.16, 0.35, 0.12), (0.09, 0.25, 0.07), (0.07, 0.2, 0.04)):  # yaw, pitch, roll
        held = np.clip(rng.normal(0, spread), -limit, limit)
        swayed = sway(rng, time_s, amplitude)
        angles.append(np.clip(held + (0 if still else swayed) + 0 * time_s, -LARGEST_ANGLE, LARGEST_ANGLE))
    mien, blink = Mien.draw(rng), blinks(rng, time_s)
    behind = background(rng, pictures)
    if contiguous:
        chosen = np.arange(min(n_frames, CONTIGUOUS_FRAMES))
    else:
        chosen = np.r_[0, 1 + np.sort(rng.choice(n_frames - 1, min(FRAMES, n_frames - 1), replace=False))]

    frames, inner, landmarks = [], [], []
    square: FaceSquare | None = None
    for i in chosen:
        yaw, pitch, roll = (float(angle[i]) for angle in angles)
        shot = studio.shoot(mien.with_speech(said.actions[i], float(blink[i])), yaw, pitch, roll)
        picture = np.where(shot.on_person[..., None], shot.rgb, behind).astype(np.uint8)
        if square is None or not still:
            square = FaceSquare.of(shot.landmarks.astype(np.float32))
        frames.append(square.cut(picture))
        inner.append(square.cut(shot.inner_mouth))
        landmarks.append(square.to_square(shot.landmarks.astype(np.float32)))
    return {
        "frames": np.array(frames),
        "lm": np.array(landmarks, np.float32),
        "inner": np.array(inner),
        "act": said.actions.astype(np.float32),
        "idx": chosen,
        "wav": (said.wave * 32767).astype(np.int16),
        "still": still,
        "open_rest": bool(mien.opening),
        "seed": seed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--contiguous", action="store_true", help="the first 50 frames, for test clips")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    model, assets = HeadModel(), HeadAssets(arguments.assets)
    pictures = [skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]

    def write(seed: int) -> None:
        clip = render(model, assets, pictures, seed, contiguous=arguments.contiguous)
        unfinished = arguments.out / f"unfinished.{seed}.npz"
        np.savez(unfinished, **clip)
        unfinished.rename(arguments.out / f"{seed:04d}.npz")

    fork = multiprocessing.get_context("fork")
    for seed in range(arguments.first, arguments.last):
        if (arguments.out / f"{seed:04d}.npz").exists():
            continue
        # a fresh process for every person: rendering with OSMesa leaks about 12 MB a frame
        process = fork.Process(target=write, args=(seed,))
        process.start()
        process.join()
        if process.exitcode != 0:
            raise SystemExit(f"rendering seed {seed} failed")
        print(f"{seed:04d}.npz", flush=True)  # noqa: T201 - progress of a command


if __name__ == "__main__":
    main()
