"""Facial actions as features: what `small` was trained with."""

from services.talkinghead.difftalk.audio_encoder import actions_as_features
from services.talkinghead.speech.actions import ACTIONS
from services.talkinghead.speech.features.extractor import Floats, Heard


class ActionFeatures:
    """The curves that also move the draft; a network on top of Whisper's first layers made them."""

    values = len(ACTIONS)

    def __call__(self, heard: Heard) -> Floats:
        """(2 T, 11), the frames' own values and their middles."""
        return actions_as_features(heard.actions)
