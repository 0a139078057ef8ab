"""Clips of drawn faces that open and close their mouths, and a run so small that it takes seconds."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage.clip import Clip, KnownFace, to_jpeg, to_png
from services.talkinghead.footage.shard import shard_bytes
from services.talkinghead.speech.actions import ACTIONS, SAMPLES_PER_FRAME
from services.talkinghead.training.configuration import TrainingConfiguration
from tests.talkinghead.conftest import draw_face

FRAMES = 24


def drawn_clip(seed: int, *, still: bool = True, open_rest: bool = False) -> Clip:
    """Its mouth is as far open as the sound is loud."""
    rng = np.random.default_rng(seed)
    scale = float(rng.uniform(1.3, 1.7))
    opening = np.r_[0, rng.uniform(0, 1, FRAMES - 1)].astype(np.float32)
    actions = np.zeros((FRAMES, len(ACTIONS)), np.float32)
    actions[:, ACTIONS.index("jawOpen")] = opening
    drawn = [draw_face(scale=scale, opening=9 * float(each)) for each in opening]
    square = FaceSquare.of(drawn[0].landmarks)
    landmarks = np.stack([square.to_square(face.landmarks) for face in drawn])
    insides = [cv2.fillPoly(np.zeros((128, 128), np.uint8), [each[60:68].astype(np.int32)], 255) for each in landmarks]
    sound = 9000 * np.repeat(opening, SAMPLES_PER_FRAME) * rng.uniform(-1, 1, FRAMES * SAMPLES_PER_FRAME)
    name = f"drawn-{seed}"
    return Clip(
        name=name,
        identity=name,
        source="drawn",
        start_s=0.0,
        square_px=128,
        # the drawing's noise cannot be learnt
        pictures=[to_jpeg(square.cut(cv2.GaussianBlur(face.pixels, (0, 0), 1.5))) for face in drawn],
        landmarks=landmarks,
        places=np.arange(FRAMES),
        wave=sound.astype(np.int16),
        actions=actions,
        loudness=opening,
        known=KnownFace(actions, [to_png(inside) for inside in insides], [], "", "", (0, seed), still, open_rest),
    )


def write_set(folder: Path, train: list[Clip], test: list[Clip]) -> Path:
    for part, clips in (("train", train), ("test", test)):
        (folder / part).mkdir(parents=True)
        (folder / part / "drawn.safetensors").write_bytes(shard_bytes(clips))
    return folder


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with four clips, one of them with a moving head and one that rests open; test/ with two."""
    train, test = (
        [drawn_clip(n + 10 * count, still=n != 2, open_rest=n == 3) for n in range(count)] for count in (4, 2)
    )
    return write_set(tmp_path_factory.mktemp("footage"), train, test)


@pytest.fixture(scope="session")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One to learn from, one to test on."""
    return write_set(tmp_path_factory.mktemp("two"), [drawn_clip(1)], [drawn_clip(2)])


@pytest.fixture
def told(tiny_configuration: DiffTalkConfiguration) -> dict[str, Any]:
    """Settings of a run of a few steps, as YAML has them."""
    stage = {"steps": 4, "batch": 2, "rate": 2e-3}
    return {
        "model": yaml.safe_load(yaml.safe_dump(_plain(asdict(tiny_configuration)))),
        "speech_features": "actions",
        "log_every": 1,
        "save_every": 2,
        "sample_every": 4,
        "first_stage": stage
        | {
            "crop_px": [48, 64],
            "continuous_steps": 2,
            "perceptual_weight": 0.05,
            "adversarial_weight": 0.01,
            "adversarial_from": 3,
        },
        "sync_expert": stage,
        "denoiser": stage
        | {
            "batch": 1,
            "accumulate": 2,
            "draft": True,
            "highest_level": 0.8,
            "snr_gamma": 0.05,
            "ema_decay": 0.9,
            "audio_dropout": 0.1,
            "sync_weight": 0.02,
        },
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


@pytest.fixture
def configuration(told: dict[str, Any]) -> TrainingConfiguration:
    return TrainingConfiguration.model_validate(told)
