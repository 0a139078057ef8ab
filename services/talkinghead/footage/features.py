"""Another kind of speech features than the actions, put beside every clip."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from services.common.registry import verified_folder
from services.talkinghead.difftalk.configuration import SpeechFeatures
from services.talkinghead.footage.clip import Clip
from services.talkinghead.footage.made import Made
from services.talkinghead.footage.prepare import Maker
from services.talkinghead.speech.features.extractor import FeatureExtractor, Heard
from services.talkinghead.speech.features.load import build_extractor
from services.talkinghead.speech.network import SpeechNetwork


@dataclass(frozen=True)
class WithFeatures:
    """A maker whose clips also hold what ``extract`` hears in their sound."""

    make: Maker
    extract: FeatureExtractor

    def __call__(self, what: Any) -> Made:
        made = self.make(what)
        return replace(made, clips=[self._heard(clip) for clip in made.clips])

    def _heard(self, clip: Clip) -> Clip:
        if not len(clip.wave):  # a release of DiffTalk brings its features along
            return clip
        samples = (clip.wave / np.float32(32767)).astype(np.float32)
        return replace(clip, features=self.extract(Heard(samples, clip.actions)))


def load_extractor(kind: SpeechFeatures, encoder: Path | None, weights_dir: Path, profile: str) -> FeatureExtractor:
    """Raises ValueError: the network's folder is missing or unreadable; DeepSpeech's features come as files alone."""
    if kind == "deepspeech":
        raise ValueError("speech-features: DeepSpeech runs outside; a release's folder brings its features along")
    if kind == "wav2vec2" and encoder is None:
        raise ValueError("speech-features: wav2vec2 features are made by a speech network; name its --speech-encoder")
    network = SpeechNetwork.load(verified_folder(weights_dir, "speech", profile))
    return build_extractor(kind, encoder or Path(), network)
