"""Fit the action basis: `python -m services.talkinghead.training.action_basis FOOTAGE WEIGHTS`.

FOOTAGE is a set of rendered people, as `prepare --synthetic` writes it; WEIGHTS receives `action_basis.safetensors`.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from services.common.faces.landmarks import MIRRORED
from services.talkinghead.footage.shard import Footage, StoredClip
from services.talkinghead.speech.actions import ACTIONS

FloatArray = NDArray[np.float64]

RIDGE: Final = 0.5
MOUTH: Final = slice(48, 68)
JAW: Final = slice(0, 17)
BROWS_AND_EYES: Final = [*range(17, 27), *range(36, 48)]
"""They blink and frown on their own; speech does not move them."""


def shifts(clips: Iterable[StoredClip]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Actions (N, 11) and landmark shifts from rest (N, 68, 2) in mouth widths, one rendered clip after another.

    Moving heads are left out (their landmarks move with the head), and so are mouths that rest open, because p, b and m
    close them beyond what the action says.
    """
    for clip in clips:
        if not clip.still or clip.open_rest:
            continue
        actions = clip.known_actions[clip.places].astype(np.float64)
        landmarks = clip.landmarks.astype(np.float64)
        rest = landmarks[0]  # every rendered clip starts with the face at rest
        yield actions, (landmarks - rest) / np.linalg.norm(rest[54] - rest[48])


def fit(clips: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """(11, 68, 2) by ridge regression; every clip counts as it is and mirrored: the basis is symmetric."""
    actions = np.concatenate([clip_actions for clip_actions, _ in clips] * 2)
    seen = np.concatenate([shift for _, shift in clips])
    mirrored = seen[:, MIRRORED] * [-1, 1]
    targets = np.concatenate([seen, mirrored]).reshape(len(actions), -1)
    gram = actions.T @ actions + RIDGE * np.eye(len(ACTIONS))
    basis = np.linalg.solve(gram, actions.T @ targets).reshape(len(ACTIONS), 68, 2)
    basis[:, BROWS_AND_EYES] = 0
    return basis


def explained(basis: FloatArray, clips: list[tuple[FloatArray, FloatArray]], points: slice) -> float:
    """R2 of the shifts of some landmarks, against no shift at all."""
    missed = sum(((shift - np.tensordot(actions, basis, 1))[:, points] ** 2).sum() for actions, shift in clips)
    return float(1 - missed / sum((shift[:, points] ** 2).sum() for _, shift in clips))


def main() -> None:
    """Fit the basis to rendered people, measure it on others, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("footage", type=Path, help="a set of rendered people, as `prepare --synthetic` writes it")
    parser.add_argument("weights", type=Path)
    arguments = parser.parse_args()
    train, test = (list(shifts(Footage(arguments.footage, split))) for split in ("train", "test"))
    basis = fit(train)
    save_file({"basis": basis.astype(np.float32)}, arguments.weights / "action_basis.safetensors")
    figures: dict[str, float] = {"train_clips": len(train), "test_clips": len(test)}
    for name, points in (("mouth", MOUTH), ("jaw", JAW)):
        figures |= {
            f"r2_{name}_train": explained(basis, train, points),
            f"r2_{name}_test": explained(basis, test, points),
        }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
