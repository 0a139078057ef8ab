"""Clips of drawn faces, and what a mouth does that follows known actions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.settings import REPOSITORY
from services.talkinghead.draft.action_basis import load_action_basis
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage.clip import Clip, KnownFace, to_jpeg, to_png
from services.talkinghead.speech.actions import ACTIONS, SAMPLES_PER_FRAME
from tests.talkinghead.conftest import draw_face

FRAMES = 6


def make_clip(name: str, *, rendered: bool = False, identity: str | None = None) -> Clip:
    rng = np.random.default_rng(len(name))
    faces = [draw_face(opening=2.0 * n) for n in range(FRAMES)]
    squares = [FaceSquare.of(face.landmarks) for face in faces]
    masks = [np.full((128, 128), 255 * (n % 2), np.uint8) for n in range(FRAMES)]
    known = KnownFace(
        actions=rng.random((2 * FRAMES, len(ACTIONS))).astype(np.float32),
        inner_mouth=[to_png(mask) for mask in masks],
        phones=[(0.0, "a"), (0.25, "")],
        text="Ah.",
        voice="en-us+f1",
        seed=(0, 7),
        still=True,
        open_rest=False,
    )
    return Clip(
        name=name,
        identity=identity or name,
        source="drawn",
        start_s=1.5,
        square_px=128,
        pictures=[to_jpeg(square.cut(face.pixels)) for square, face in zip(squares, faces, strict=True)],
        landmarks=np.stack([square.to_square(face.landmarks) for square, face in zip(squares, faces, strict=True)]),
        places=np.arange(0, 2 * FRAMES, 2),
        wave=rng.integers(-9000, 9000, 2 * FRAMES * SAMPLES_PER_FRAME).astype(np.int16),
        actions=rng.random((2 * FRAMES, len(ACTIONS))).astype(np.float32),
        loudness=rng.random(2 * FRAMES).astype(np.float32),
        known=known if rendered else None,
    )


@pytest.fixture(scope="session")
def basis() -> NDArray[np.float32]:
    """How the shipped actions move the landmarks."""
    return load_action_basis(REPOSITORY / "weights" / "draft")


def babble(rng: np.random.Generator, frames: int) -> NDArray[np.float32]:
    """(frames, 11) actions about as fast as speech: noise that is smooth over three frames."""
    noise = rng.random((frames + 2, len(ACTIONS)))
    return np.stack([noise[n : n + 3].mean(0) for n in range(frames)]).astype(np.float32) * 0.6
