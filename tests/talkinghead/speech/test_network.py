from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.speech.actions import ACTIONS
from services.talkinghead.speech.network import Speech, SpeechNetwork, speech_gate

WEIGHTS = Path(__file__).parents[3] / "weights" / "speech"
JAW, PRESS = ACTIONS.index("jawOpen"), ACTIONS.index("mouthPress")


@pytest.fixture(scope="module")
def network() -> SpeechNetwork:
    return SpeechNetwork.load(WEIGHTS)


@pytest.fixture(scope="module")
def said(voice: np.ndarray, network: SpeechNetwork) -> Speech:
    return network(voice)


@pytest.mark.parametrize("samples", [1, 639, 640, 641, 16_000, 48_123])
def test_a_frame_for_every_begun_40_ms_and_two_feature_vectors(network, samples):
    assert network.features(np.full(samples, 0.01, np.float32)).shape == (2 * -(-samples // 640), 512)
    speech = network(np.full(samples, 0.01, np.float32))
    n_frames = -(-samples // 640)
    assert speech.actions.shape == (n_frames, 11)
    assert speech.loudness.shape == (n_frames,)


def test_no_samples_are_refused(network):
    with pytest.raises(ValueError, match="at least one sample"):
        network(np.zeros(0, np.float32))


def test_digital_silence_keeps_the_mouth_at_rest(network):
    assert (network(np.zeros(32_000, np.float32)).actions == 0).all()


@pytest.mark.parametrize("level", [0.003, 0.03, 0.3])
def test_noise_keeps_the_mouth_at_rest(network, level):
    noise = np.random.default_rng(1).normal(0, level, 48_000).astype(np.float32)
    assert network(noise.clip(-1, 1)).actions.max() == 0


def test_speech_opens_and_closes_the_mouth(said):
    jaw = said.actions[:, JAW]
    assert jaw.max() > 0.4
    assert np.percentile(jaw, 90) - np.percentile(jaw, 10) > 0.2
    assert said.actions[:, PRESS].max() > 0.1


def test_a_silent_second_within_speech_is_at_rest_and_released_without_a_jump(network, voice):
    quiet = np.zeros(40_000, np.float32)
    speech = network(np.concatenate([voice, quiet, voice]))
    first = len(voice) // 640 + 15  # hangover, ramp and the voice's own tail are over
    assert (speech.actions[first : first + 25] == 0).all()
    assert np.abs(np.diff(speech.actions, axis=0)).max() < 0.5


def test_the_same_voice_at_a_tenth_of_the_level_says_the_same(network, voice, said):
    soft = network(voice * np.float32(0.1))
    assert np.abs(soft.actions - said.actions).mean() < 0.02


def test_joins_of_long_speech_do_not_show(network, voice):
    long = np.tile(voice, -(-65 * 16_000 // len(voice)))[: 65 * 16_000]
    whole = network(long)
    for join_frame in (29 * 25, 57 * 25):  # the middles of the two overlaps
        start = join_frame - 250
        alone = network(long[start * 640 : (start + 500) * 640])
        near = slice(join_frame - 50, join_frame + 50)
        difference = np.abs(whole.actions[near] - alone.actions[near.start - start : near.stop - start])
        assert difference.mean() < 0.02
        assert difference.max() < 0.25


def test_the_gate_leads_lasts_and_ramps():
    logits = np.full(40, -5.0, np.float32)
    logits[15:20] = 5
    gate = speech_gate(logits, np.full(40, 0.1, np.float32))
    assert (gate[15:22] == 1).all()  # the speech and two frames on; the ramp is centred on the hangover's end
    assert (gate[:11] == 0).all()
    assert (gate[26:] == 0).all()
    assert np.abs(np.diff(gate)).max() <= 0.2 + 1e-6


def test_the_gate_is_shut_below_minus_70_dbfs():
    assert (speech_gate(np.full(10, 5.0, np.float32), np.full(10, 1e-4, np.float32)) == 0).all()
