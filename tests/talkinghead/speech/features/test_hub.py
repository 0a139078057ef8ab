"""Tiny random networks of the hub's kinds, saved as the hub has them: the real loading code, without a download."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    HubertConfig,
    HubertForCTC,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperModel,
)

from services.talkinghead.speech.features.extractor import Heard
from services.talkinghead.speech.features.wav2vec2 import Wav2Vec2Features
from services.talkinghead.speech.features.whisper import WhisperFeatures

SIZES: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
KINDS = {"wav2vec2": (Wav2Vec2ForCTC, Wav2Vec2Config), "hubert": (HubertForCTC, HubertConfig)}


def heard(samples: np.ndarray) -> Heard:
    return Heard(samples, np.zeros((-(-len(samples) // 640), 11), np.float32))


def save_ctc(folder: Path, kind: str = "wav2vec2", **sizes: Any) -> Any:
    torch.manual_seed(0)
    model, configuration = KINDS[kind]
    network = model(configuration(**SIZES | sizes)).eval()
    network.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return network


@pytest.mark.parametrize("kind", sorted(KINDS))
@torch.no_grad()
def test_letter_logits_are_the_network_s_own(tmp_path: Path, voice: np.ndarray, kind: str):
    network = save_ctc(tmp_path, kind)
    wave = voice[: 50 * 640]
    extractor = Wav2Vec2Features.load(tmp_path)
    made = extractor(heard(wave))
    assert extractor.values == 32
    assert made.shape == (100, 32)
    # The published preprocessing, and the wave widened by half of what a vector hears beyond its 20 ms: 40 samples.
    normal = Wav2Vec2FeatureExtractor(do_normalize=True)(wave, sampling_rate=16_000).input_values[0]
    expected = network(torch.from_numpy(np.pad(normal, 40))[None]).logits[0].numpy()
    assert np.abs(made - expected).max() < 1e-4 * expected.std()


@pytest.mark.parametrize("samples", [1, 640, 641, 32_000])
def test_two_vectors_for_every_begun_frame(tmp_path: Path, samples: int):
    save_ctc(tmp_path)
    wave = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    assert Wav2Vec2Features.load(tmp_path)(heard(wave)).shape == (2 * -(-samples // 640), 32)


def test_another_rate_is_brought_to_50_hz(tmp_path: Path, voice: np.ndarray):
    save_ctc(tmp_path, conv_stride=(5, 2, 2, 2, 2, 2, 1))  # 100 vectors a second
    assert Wav2Vec2Features.load(tmp_path)(heard(voice[: 20 * 640])).shape == (40, 32)


def test_long_speech_is_heard_in_windows_whose_joins_do_not_show(tmp_path: Path, voice: np.ndarray):
    save_ctc(tmp_path)
    extractor = Wav2Vec2Features.load(tmp_path)
    long = np.resize(voice, 40 * 16_000)
    whole = extractor(heard(long))
    assert whole.shape == (2000, 32)
    assert np.isfinite(whole).all()
    assert np.abs(np.diff(whole[1390:1510], axis=0)).max() <= np.abs(np.diff(whole, axis=0)).max()


def whisper(folder: Path, **sizes: Any) -> WhisperModel:
    torch.manual_seed(0)
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "vocab_size": 64, "num_mel_bins": 80}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    network = WhisperModel(WhisperConfig(**layers | widths | tokens | sizes)).eval()
    network.save_pretrained(folder)
    return network


def test_whisper_gives_two_vectors_a_frame_of_its_own_width(tmp_path: Path, voice: np.ndarray):
    whisper(tmp_path)
    extractor = WhisperFeatures.load(tmp_path)
    made = extractor(heard(voice[: 30 * 640 - 100]))
    assert extractor.values == 16
    assert made.shape == (60, 16)
    assert np.array_equal(made, extractor(heard(voice[: 30 * 640 - 100])))


def test_a_whisper_that_does_not_hear_30_s_is_refused(tmp_path: Path):
    whisper(tmp_path, max_source_positions=100)
    with pytest.raises(ValueError, match="max_source_positions is 100"):
        WhisperFeatures.load(tmp_path)


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def of_another_kind(folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"model_type": "bert"}))


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def without_its_head(folder: Path) -> None:
    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if k != "lm_head.weight"}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def cut(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (without_config, "cannot be read"),
        (of_another_kind, "model_type is 'bert'"),
        (as_pickle, "safetensors"),
        (without_its_head, "weights are missing, the first is lm_head.weight"),
        (cut, "safetensors|incomplete|[Hh]eader"),
    ],
)
def test_a_folder_that_is_none_is_one_clear_error(tmp_path: Path, damage, told: str):
    save_ctc(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=told):
        Wav2Vec2Features.load(tmp_path)
