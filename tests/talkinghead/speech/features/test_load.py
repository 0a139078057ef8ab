from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.difftalk.audio_encoder import actions_as_features
from services.talkinghead.difftalk.configuration import BASE_256, SMALL, DiffTalkConfiguration
from services.talkinghead.speech.features.deepspeech import DeepSpeechFeatures
from services.talkinghead.speech.features.extractor import Heard
from services.talkinghead.speech.features.load import load_extractor
from services.talkinghead.speech.network import SpeechNetwork

WEIGHTS = Path(__file__).parents[4] / "weights" / "speech"


@pytest.fixture(scope="module")
def network() -> SpeechNetwork:
    return SpeechNetwork.load(WEIGHTS)


def test_the_small_model_hears_facial_actions(network, tmp_path):
    actions = np.random.default_rng(0).random((7, 11), dtype=np.float32)
    made = load_extractor(tmp_path, SMALL, network)(Heard(np.zeros(7 * 640, np.float32), actions))
    assert np.array_equal(made, actions_as_features(actions))


def test_the_paper_s_models_hear_deepspeech_unless_told_otherwise(network, tmp_path):
    assert isinstance(load_extractor(tmp_path, BASE_256, network), DeepSpeechFeatures)


def test_whisper_s_first_layers_come_with_the_project(network, tmp_path, voice):
    hears_whisper = replace(BASE_256, audio_features=512, speech_features="whisper")
    wave = voice[: 40 * 640]
    made = load_extractor(tmp_path, hears_whisper, network)(Heard(wave, np.zeros((40, 11), np.float32)))
    assert np.array_equal(made, network.features(wave))


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        (replace(BASE_256, audio_features=32), r"reads feature vectors of 32 values, .* \('deepspeech'\) have 29"),
        (replace(BASE_256, speech_features="whisper"), r"of 29 values, .* \('whisper'\) have 512"),
        (replace(BASE_256, speech_features="wav2vec2"), "speech_encoder/config.json: it cannot be read"),
    ],
    ids=["deepspeech", "whisper", "no encoder"],
)
def test_features_that_do_not_fit_the_model_are_one_clear_error(
    network, tmp_path, configuration: DiffTalkConfiguration, told
):
    with pytest.raises(ValueError, match=told):
        load_extractor(tmp_path, configuration, network)
