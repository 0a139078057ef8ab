"""Clips of drawn faces that open and close their mouths, in the layout of rendered ones."""

from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.face.square import FaceSquare
from services.talkinghead.speech.actions import ACTIONS
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
