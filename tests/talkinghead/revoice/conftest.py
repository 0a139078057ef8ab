"""What a talking person is made to say."""

import numpy as np
import pytest

from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.audio_encoder import actions_as_features
from services.talkinghead.speech.actions import ACTIONS


@pytest.fixture(scope="session")
def babble() -> PreparedSpeech:
    """24 frames: the jaw goes up and down, then half a second of silence."""
    actions = np.zeros((24, len(ACTIONS)), np.float32)
    actions[:12, 0] = 0.25 + 0.25 * np.sin(np.arange(12))
    return PreparedSpeech(actions, actions_as_features(actions))
