"""The real models, loaded once, and what they say about the example photo."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from services.common.onnx_model import OnnxModel
from services.common.pictures import read_picture
from services.common.registry import load_registry
from services.common.settings import REPOSITORY
from services.perception.pipeline import SERVICE, Perception
from services.perception.schemas import Mask, Story, StoryOptions

Pixels = npt.NDArray[np.uint8]
EXAMPLES = REPOSITORY / "examples"
WEIGHTS = REPOSITORY / "weights"


def example(name: str) -> Pixels:
    return read_picture((EXAMPLES / name).read_bytes(), param="photo").pixels


def model(role: str) -> OnnxModel:
    """One model of the profile ``tiny``."""
    return OnnxModel.load(load_registry(WEIGHTS, SERVICE, "tiny")[role], WEIGHTS, SERVICE, threads=1)


@pytest.fixture(scope="session")
def perception() -> Perception:
    return Perception.load(WEIGHTS, threads=1, profile="tiny")


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
    return perception(friends, StoryOptions(masks=True))


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
