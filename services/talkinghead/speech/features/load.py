"""The speech features that a model was trained with."""

import shutil
from pathlib import Path
from typing import Final

from services.talkinghead.difftalk.configuration import DiffTalkConfiguration, SpeechFeatures
from services.talkinghead.speech.features.actions import ActionFeatures
from services.talkinghead.speech.features.checkpoint import CONFIG, read_json
from services.talkinghead.speech.features.deepspeech import DeepSpeechFeatures
from services.talkinghead.speech.features.extractor import FeatureExtractor
from services.talkinghead.speech.features.wav2vec2 import Wav2Vec2Features
from services.talkinghead.speech.features.whisper import PackagedWhisperFeatures, WhisperFeatures
from services.talkinghead.speech.network import SpeechNetwork

ENCODER_FOLDER: Final = "speech_encoder"
"""Of a model's folder: the speech network of the hub that made its features."""


def load_extractor(model: Path, configuration: DiffTalkConfiguration, network: SpeechNetwork) -> FeatureExtractor:
    """What the model in folder ``model`` hears.

    Raises ValueError: the speech network is missing or unreadable, or gives other vectors than the model reads.
    """
    extractor = build_extractor(configuration.speech_features, model / ENCODER_FOLDER, network)
    if extractor.values != configuration.audio_features:
        raise ValueError(
            f"{model}: the model reads feature vectors of {configuration.audio_features} values, but its speech "
            f"features ({configuration.speech_features!r}) have {extractor.values}"
        )
    return extractor


def values_of(kind: SpeechFeatures, encoder: Path | None) -> int:
    """Values per vector of a kind, told by the configuration in ``encoder``, its network's folder, without loading it.

    Raises ValueError: there is no such folder, or it tells no size.
    """
    if kind == "actions":
        return ActionFeatures.values
    if kind == "deepspeech":
        return DeepSpeechFeatures.values
    if encoder is None and kind == "whisper":
        return PackagedWhisperFeatures.values
    if encoder is None:
        raise ValueError(f"{kind!r} features are made by a speech network: name its folder")
    size = "vocab_size" if kind == "wav2vec2" else "d_model"
    values = read_json(encoder / CONFIG).get(size)
    if not isinstance(values, int):
        raise ValueError(f"{encoder / CONFIG}: {size} is {values!r}, a number is expected")
    return values


def copy_encoder(encoder: Path, model: Path) -> None:
    """Put a speech network into a model's folder: its weights and what tells how to use them, nothing else."""
    target = model / ENCODER_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for path in [*encoder.glob("*.json"), *encoder.glob("*.safetensors")]:
        shutil.copy(path, target)


def build_extractor(kind: SpeechFeatures, encoder: Path, network: SpeechNetwork) -> FeatureExtractor:
    """``encoder``: folder of the speech network, which whisper features may do without. Raises ValueError."""
    match kind:
        case "actions":
            return ActionFeatures()
        case "deepspeech":
            return DeepSpeechFeatures()
        case "wav2vec2":
            return Wav2Vec2Features.load(encoder)
        case "whisper":
            return WhisperFeatures.load(encoder) if encoder.is_dir() else PackagedWhisperFeatures(network)
