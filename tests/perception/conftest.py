"""The real models, loaded once, and what they say about the example photo."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.common.onnx_model import OnnxModel
from services.common.pictures import read_picture
from services.common.registry import load_registry
from services.common.settings import REPOSITORY
from services.common.stopwatch import Stopwatch
from services.perception.loading import SERVICE, load_perception
from services.perception.pipeline import Perception, Photo
from services.perception.schemas import Mask, Story, StoryOptions
from services.perception.settings import PerceptionSettings

Pixels = npt.NDArray[np.uint8]
EXAMPLES = REPOSITORY / "examples"
WEIGHTS = REPOSITORY / "weights"


def example(name: str) -> Pixels:
    return read_picture((EXAMPLES / name).read_bytes(), param="photo").pixels


def model(role: str) -> OnnxModel:
    """One model of the profile ``tiny``."""
    return OnnxModel.load(load_registry(WEIGHTS, SERVICE, "tiny")[role], WEIGHTS, SERVICE, threads=1)


def photo_of(pixels: Pixels) -> Photo:
    """As if these pixels had come in a file."""
    return Photo(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), [])


def told(perception: Perception, pixels: Pixels, **options: Any) -> Story:
    """All stages."""
    return perception.story(photo_of(pixels), StoryOptions.model_validate(options), Stopwatch())


@pytest.fixture(scope="session")
def perception() -> Perception:
    return load_perception(PerceptionSettings(weights_dir=WEIGHTS, threads=1, profile="tiny", memory_entries=0))


@pytest.fixture(scope="session")
def friends() -> Pixels:
    """Five friends by the sea, (667, 1000, 3)."""
    return example("photo.jpg")


@pytest.fixture(scope="session")
def officer() -> Pixels:
    """A portrait in uniform, (600, 512, 3)."""
    return example("portrait.jpg")


@pytest.fixture(scope="session")
def friends_story(perception: Perception, friends: Pixels) -> Story:
    return told(perception, friends, masks=True)


@pytest.fixture(scope="session")
def friends_jpeg() -> bytes:
    return (EXAMPLES / "photo.jpg").read_bytes()


@pytest.fixture(scope="session")
def decoded() -> Callable[[Mask], npt.NDArray[np.bool_]]:
    """COCO run lengths -> (height, width) bool, written from the format's definition."""

    def decode(mask: Mask) -> npt.NDArray[np.bool_]:
        height, width = mask.size
        values = np.arange(len(mask.counts)) % 2 == 1
        return np.repeat(values, mask.counts).reshape(width, height).T

    return decode


@pytest.fixture
def weights_copy(tmp_path: Path) -> Path:
    """A folder like ``weights/`` whose files may be taken away: links to the real ones."""
    for folder in ("faces", "perception"):
        (tmp_path / folder).mkdir()
        for file in (WEIGHTS / folder).iterdir():
            (tmp_path / folder / file.name).symlink_to(file)
    return tmp_path
