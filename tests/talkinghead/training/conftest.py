"""Clips of drawn faces that open and close their mouths, in the layout of rendered ones."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage.clip import Clip, KnownFace, to_jpeg
from services.talkinghead.footage.shard import shard_bytes
from services.talkinghead.speech.actions import ACTIONS, SAMPLES_PER_FRAME
from tests.talkinghead.conftest import draw_face

FRAMES = 8


def save_clip(path: Path, seed: int, *, still: bool = True, open_rest: bool = False) -> None:
    rng = np.random.default_rng(seed)
    scale = float(rng.uniform(1.3, 1.7))
    actions = np.zeros((2 * FRAMES, len(ACTIONS)), np.float32)
    actions[1:, ACTIONS.index("jawOpen")] = rng.uniform(0, 1, 2 * FRAMES - 1)
    chosen = np.arange(0, 2 * FRAMES, 2)
    drawn = [draw_face(scale=scale, opening=9 * float(actions[n, 0])) for n in chosen]
    square = FaceSquare.of(drawn[0].landmarks)
    np.savez(
        path,
        frames=np.stack([square.cut(face.pixels) for face in drawn]),
        lm=np.stack([square.to_square(face.landmarks) for face in drawn]),
        act=actions,
        idx=chosen,
        still=still,
        open_rest=open_rest,
    )


def drawn_clip(seed: int, *, still: bool = True, open_rest: bool = False) -> Clip:
    """What `save_clip` draws, as prepared footage."""
    with tempfile.TemporaryDirectory() as folder:
        save_clip(Path(folder) / "clip.npz", seed, still=still, open_rest=open_rest)
        drawn = np.load(Path(folder) / "clip.npz")
        frames, landmarks, actions, places = (drawn[name] for name in ("frames", "lm", "act", "idx"))
    known = KnownFace(actions, [], [], "", "", (0, seed), still, open_rest)
    name = f"drawn-{seed}"
    silence = np.zeros(len(actions) * SAMPLES_PER_FRAME, np.int16)
    loudness = np.zeros(len(actions), np.float32)
    pictures = [to_jpeg(frame) for frame in frames]
    return Clip(name, name, "drawn", 0.0, 128, pictures, landmarks, places, silence, actions, loudness, known=known)


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same people as `clips`, as a set."""
    folder = tmp_path_factory.mktemp("footage")
    for part, count in (("train", 4), ("test", 2)):
        (folder / part).mkdir()
        made = [drawn_clip(n + 10 * count, still=n != 2, open_rest=n == 3) for n in range(count)]
        (folder / part / "drawn.safetensors").write_bytes(shard_bytes(made))
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with four clips, one of them with a moving head and one that rests open; test/ with two."""
    folder = tmp_path_factory.mktemp("clips")
    for part, count in (("train", 4), ("test", 2)):
        (folder / part).mkdir()
        for number in range(count):
            save_clip(
                folder / part / f"{number:04d}.npz", number + 10 * count, still=number != 2, open_rest=number == 3
            )
    return folder
