"""A rendered clip: one person, drawn from a seed, who says one sentence."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage.clip import Clip, KnownFace, Phone, to_jpeg, to_png
from services.talkinghead.speech.actions import ACTIONS, FPS, SAMPLES_PER_FRAME
from services.talkinghead.speech.network import SpeechNetwork
from services.talkinghead.synthetic.assets import HeadAssets
from services.talkinghead.synthetic.head import HeadModel, arkit
from services.talkinghead.synthetic.moments import moments
from services.talkinghead.synthetic.person import Person
from services.talkinghead.synthetic.rooms import degrade
from services.talkinghead.synthetic.sentences import sentence
from services.talkinghead.synthetic.studio import Studio
from services.talkinghead.synthetic.visemes import action_curves
from services.talkinghead.synthetic.voices import ESPEAK_VOICES, FLITE_VOICES, Espeak, flite

PICTURE_PER_SQUARE: Final = 2
"""The picture's edge over the face square's: then the square is cut from more pixels than it has."""
CONTIGUOUS_FRAMES: Final = 50
STILL_SHARE: Final = 0.88
FLITE_SHARE: Final = 0.2
DEGRADED_SHARE: Final = 0.5
LARGEST_ANGLE: Final = 0.36
PHOTOGRAPHS: Final = (skimage.data.coffee, skimage.data.chelsea, skimage.data.rocket)
FULL_PRESS: Final = 0.25  # of mouthPress, at which lips that rest open are shut

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sentence:
    """Something said: sound at 16 kHz, the face's actions at 25 fps, when which phone begins."""

    wave: Floats
    """(640 T,) with silence before and behind"""
    actions: Floats
    """(T, 11)"""
    phones: list[Phone]
    text: str
    voice: str


def speak(rng: np.random.Generator, espeak: Espeak) -> Sentence:
    """A random sentence in a random voice, with silence before and behind; now and then through a bad microphone."""
    text = sentence(rng)
    if rng.random() < FLITE_SHARE:
        voice = FLITE_VOICES[rng.integers(len(FLITE_VOICES))]
        pitch_hz = rng.uniform(80, 220) if voice == "kal16" else None  # the others' melody is recorded
        said = flite(text, voice, rng.uniform(0.8, 1.2), pitch_hz)
    else:
        voice = ESPEAK_VOICES[rng.integers(len(ESPEAK_VOICES))]
        said = espeak.say(text, voice, rng.uniform(125, 200), rng.uniform(25, 80), rng.uniform(20, 80))
    lead, tail = int(rng.integers(8, 13)), int(rng.integers(8, 15))
    behind = tail * SAMPLES_PER_FRAME + -len(said.wave) % SAMPLES_PER_FRAME  # whole frames
    wave = np.pad(said.wave, (lead * SAMPLES_PER_FRAME, behind)).astype(np.float64)
    wave = wave / (np.abs(wave).max() + 1e-6) * rng.uniform(0.3, 0.95)
    phones = [(start + lead / FPS, phone) for start, phone in said.phones]
    actions = action_curves(wave, phones, gain=rng.uniform(0.9, 1.3))
    actions[actions < 1e-3] = 0
    if rng.random() < DEGRADED_SHARE:
        wave = degrade(rng, wave.astype(np.float32)).astype(np.float64)
    return Sentence(wave, actions, phones, text, voice)


@dataclass(frozen=True)
class Mien:
    """What the face does apart from speech."""

    rest: dict[str, float]
    """Actions that last."""
    opening: dict[str, float]
    """Actions that hold the lips apart at rest; speech takes over from them, and p, b, m undo them."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Mien":
        """A random one."""
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


def background(rng: np.random.Generator, size: int) -> Floats:
    """(size, size, 3): a blurred cut of a photograph, or a gradient with soft noise."""
    if rng.random() < 0.35:
        picture = PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))]()
        edge = rng.integers(128, min(picture.shape[:2]))
        top, left = (rng.integers(0, length - edge + 1) for length in picture.shape[:2])
        cut = cv2.resize(picture[top : top + edge, left : left + edge], (size, size)).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(cut, (0, 0), rng.uniform(0.5, 6)))
    vivid = rng.choice([0.15, 0.4, 1.0])  # most rooms are muted
    first, second = (rng.uniform(10, 240) + vivid * rng.uniform(-110, 110, 3) for _ in range(2))
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
    model: HeadModel,
    assets: HeadAssets,
    speech: SpeechNetwork,
    seed: tuple[int, int],
    *,
    square_px: int,
    contiguous: bool,
) -> Clip:
    """The clip of a seed (of the set, of the person in it).

    Its first picture is the face at rest; the others are six runs of five at random, or, ``contiguous``, the first 50
    in a row.
    """
    rng = np.random.default_rng(seed)
    person = Person(model, assets, rng)
    studio = Studio(model, person, rng, PICTURE_PER_SQUARE * square_px)
    said = speak(rng, Espeak())
    n_frames = len(said.actions)
    time_s = np.arange(n_frames) / FPS
    still = bool(rng.random() < STILL_SHARE)
    angles = []
    for spread, limit, amplitude in ((0.16, 0.35, 0.12), (0.09, 0.25, 0.07), (0.07, 0.2, 0.04)):  # yaw, pitch, roll
        held = np.clip(rng.normal(0, spread), -limit, limit)
        swayed = sway(rng, time_s, amplitude)
        angles.append(np.clip(held + (0 if still else swayed) + 0 * time_s, -LARGEST_ANGLE, LARGEST_ANGLE))
    mien, blink = Mien.draw(rng), blinks(rng, time_s)
    behind = background(rng, PICTURE_PER_SQUARE * square_px)
    chosen = np.arange(min(n_frames, CONTIGUOUS_FRAMES)) if contiguous else moments(rng, n_frames)

    pictures, inner_mouth, landmarks = [], [], []
    square: FaceSquare | None = None
    for i in chosen:
        yaw, pitch, roll = (float(angle[i]) for angle in angles)
        shot = studio.shoot(mien.with_speech(said.actions[i], float(blink[i])), yaw, pitch, roll)
        picture = np.where(shot.on_person[..., None], shot.rgb, behind).astype(np.uint8)
        points = shot.landmarks.astype(np.float32)
        if square is None or not still:
            square = FaceSquare.of(points)
        pictures.append(to_jpeg(square.cut(picture, square_px)))
        inner_mouth.append(to_png(square.cut(shot.inner_mouth, square_px)))
        landmarks.append(square.to_square(points, square_px))
    heard = speech(said.wave.astype(np.float32))
    name = f"rendered-{seed[0]}-{seed[1]:06d}"
    return Clip(
        name=name,
        identity=name,
        source="rendered",
        start_s=0.0,
        square_px=square_px,
        pictures=pictures,
        landmarks=np.stack(landmarks),
        places=chosen.astype(np.int64),
        wave=np.round(said.wave * 32767).astype(np.int16),
        actions=heard.actions,
        loudness=heard.loudness,
        known=KnownFace(
            actions=said.actions.astype(np.float32),
            inner_mouth=inner_mouth,
            phones=said.phones,
            text=said.text,
            voice=said.voice,
            seed=seed,
            still=still,
            open_rest=bool(mien.opening),
        ),
    )
