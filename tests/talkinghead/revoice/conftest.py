"""A talking person: the example portrait with its mouth bent open and shut, and moved about."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.audio_encoder import actions_as_features
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.speech.actions import ACTIONS

Bytes = NDArray[np.uint8]
PersonFrame = Callable[..., Bytes]


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
def babble() -> PreparedSpeech:
    """24 frames: the jaw goes up and down, then half a second of silence."""
    actions = np.zeros((24, len(ACTIONS)), np.float32)
    actions[:12, 0] = 0.25 + 0.25 * np.sin(np.arange(12))
    return PreparedSpeech(actions, actions_as_features(actions))
