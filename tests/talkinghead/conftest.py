"""A drawn face whose landmarks are known, so that most tests need no photo and no detector; and the real pipeline."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from services.common.settings import REPOSITORY
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import (
    BASE_256,
    SMALL,
    DiffTalkConfiguration,
    FirstStageConfiguration,
    PatchFirstStageConfiguration,
    whole_square,
)
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.models import load_models
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.settings import TalkingHeadSettings

EXAMPLES = REPOSITORY / "examples"

Bytes = NDArray[np.uint8]
PersonFrame = Callable[..., Bytes]


@dataclass(frozen=True)
class DrawnFace:
    """``landmarks``: (68, 2) in pixels of ``pixels``, whose centres are the integers."""

    pixels: NDArray[np.uint8]
    landmarks: NDArray[np.float32]


def draw_face(height: int = 300, width: int = 260, scale: float = 1.5, opening: float = 0.0) -> DrawnFace:
    """A face of skin, eyes, nose and lips on a striped ground; ``opening`` is the inner lips' gap in square units."""
    units = _landmarks(opening)
    landmarks = ((units - 64) * scale + [width / 2, height / 2]).astype(np.float32)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = (60, 90, 120)
    pixels[:, ::8] = (90, 120, 140)
    centre = ((64 - 64) * scale + width / 2, (66 - 64) * scale + height / 2)
    cv2.ellipse(pixels, (centre, (76 * scale, 92 * scale), 0), (224, 180, 150), -1)
    for edge, colour in ((slice(36, 42), (40, 40, 60)), (slice(42, 48), (40, 40, 60)), (slice(48, 60), (190, 70, 70))):
        cv2.fillPoly(pixels, [landmarks[edge].round().astype(np.int32)], colour)
    cv2.polylines(pixels, [landmarks[27:36].round().astype(np.int32)], False, (190, 140, 110), 2)
    if opening > 0:
        cv2.fillPoly(pixels, [landmarks[60:68].round().astype(np.int32)], (250, 250, 245))
    noise = np.random.default_rng(0).integers(-6, 7, pixels.shape)
    return DrawnFace(np.clip(pixels + noise, 0, 255).astype(np.uint8), landmarks)


def _landmarks(opening: float) -> NDArray[np.float64]:
    turn = np.linspace(np.pi, 0, 17)
    jaw = np.stack([64 + 37 * np.cos(turn), 64 + 46 * np.sin(turn)], 1)
    brows = [(40 + 4 * i, 38) for i in range(5)] + [(72 + 4 * i, 38) for i in range(5)]
    nose = [(64, 48), (64, 55), (64, 61), (64, 67), (57, 72), (60, 73), (64, 74), (68, 73), (71, 72)]
    eyes = [
        (x + 5 * np.cos(a), 46 + 2.5 * np.sin(a)) for x in (46, 82) for a in np.deg2rad([180, 240, 300, 0, 60, 120])
    ]
    down = opening
    outer = [(50, 86), (55, 83), (60, 82), (64, 82.5), (68, 82), (73, 83), (78, 86)]
    outer += [(73, 89 + down), (68, 91 + down), (64, 91.5 + down), (60, 91 + down), (55, 89 + down)]
    inner = [(52, 86), (60, 86), (64, 86), (68, 86), (76, 86), (68, 86 + down), (64, 86 + down), (60, 86 + down)]
    return np.array([*jaw, *brows, *nose, *eyes, *outer, *inner], float)


@pytest.fixture
def drawn_face() -> DrawnFace:
    return draw_face()


@pytest.fixture
def smiling_face() -> DrawnFace:
    """Its mouth stands open by a quarter of its width and shows white teeth."""
    return draw_face(opening=7.0)


@pytest.fixture(scope="session")
def talking_head() -> TalkingHead:
    """The service's pipeline with the models that ship."""
    return load_head(TalkingHeadSettings(threads=1))


@pytest.fixture(scope="session")
def example_portrait() -> bytes:
    return (EXAMPLES / "portrait.jpg").read_bytes()


@pytest.fixture(scope="session")
def example_speech() -> bytes:
    return (EXAMPLES / "speech.wav").read_bytes()


@pytest.fixture(scope="session")
def person(talking_head: TalkingHead, example_portrait: bytes) -> PersonFrame:
    """``person(number)`` is a frame of (300, 256, 3): an old speech opens and shuts its mouth, its head sways."""
    portrait = talking_head.portrait(example_portrait, None)
    jaw = talking_head._models.action_basis[0]
    mouth = np.linalg.norm(portrait.landmarks[54] - portrait.landmarks[48])

    def frame(number: int, opening: float | None = None) -> Bytes:
        wide = 0.3 + 0.3 * np.sin(number * 1.1) if opening is None else opening
        motion = portrait.warp.motion((portrait.landmarks + wide * mouth * jaw).astype(np.float32))
        pixels = cv2.resize(
            portrait.warp.draw(portrait.pixels, portrait.canvas, motion), (256, 300), interpolation=cv2.INTER_AREA
        )
        shift = np.float32([[1, 0, 4 * np.sin(number / 5)], [0, 1, 2 * np.cos(number / 7)]])
        return np.asarray(cv2.warpAffine(pixels, shift, (256, 300), borderMode=cv2.BORDER_REPLICATE))

    return frame


@pytest.fixture(scope="session")
def published_configuration() -> DiffTalkConfiguration:
    """`base-256` with narrow layers, for squares of 64 px; it hears Whisper, so that it needs no file of features."""
    unet = replace(BASE_256.unet, block_channels=(32, 32), attention=(False, True), layers_per_block=1)
    first_stage = FirstStageConfiguration(block_channels=(32, 32, 32), layers_per_block=1, codes=1024)
    return replace(
        BASE_256,
        name="tiny-published",
        square_px=64,
        window=whole_square(64),
        unet=unet,
        first_stage=first_stage,
        audio_features=512,
        speech_features="whisper",
    )


@pytest.fixture(scope="session")
def published_folder(published_configuration: DiffTalkConfiguration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a model with random weights, as `import` writes it."""
    torch.manual_seed(0)
    denoiser = Denoiser(published_configuration)
    first_stage = build_first_stage(published_configuration.first_stage)
    torch.nn.init.normal_(first_stage.quantize.embedding.weight)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)  # what goes in shows in what comes out
    folder = tmp_path_factory.mktemp("published")
    checkpoint.save(folder, published_configuration, denoiser, first_stage)
    return folder


@pytest.fixture(scope="session")
def published_head(published_folder: Path) -> TalkingHead:
    """The service's pipeline with that model in place of the small one."""
    return load_head(TalkingHeadSettings(threads=1, talkinghead_model=published_folder))


def load_head(settings: TalkingHeadSettings) -> TalkingHead:
    models, states = load_models(settings)
    assert models is not None, states
    return TalkingHead(models, settings)


@pytest.fixture(scope="session")
def tiny_configuration() -> DiffTalkConfiguration:
    """`small` with narrow layers."""
    unet = replace(SMALL.unet, block_channels=(32, 32, 32, 32))
    first_stage = PatchFirstStageConfiguration(2, channels=8, blocks=1, codes=64)
    return replace(SMALL, name="tiny", unet=unet, first_stage=first_stage)
