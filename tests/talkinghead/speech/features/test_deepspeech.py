"""Files of DeepSpeech logits, in every shape that is in use, and files that are none."""

import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from services.common.errors import ProblemError
from services.talkinghead.difftalk.audio_encoder import audio_windows
from services.talkinghead.speech.features.deepspeech import DeepSpeechFeatures
from services.talkinghead.speech.features.extractor import Heard

FRAMES = 30
LOGITS = np.random.default_rng(0).normal(size=(2 * FRAMES, 29)).astype(np.float32)
GOLDEN = Path(__file__).parents[2] / "difftalk" / "golden" / "expected.npz"


def npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def read(data: bytes | None) -> np.ndarray:
    return DeepSpeechFeatures()(Heard(np.zeros(FRAMES * 640, np.float32), np.zeros((FRAMES, 11), np.float32), data))


@pytest.mark.parametrize(
    "data",
    [
        npy(LOGITS),
        npy(LOGITS.astype(np.float64)),
        npy(audio_windows(LOGITS)),
        npy(audio_windows(LOGITS)[:, 4]),
        save({"logits": LOGITS}),
    ],
    ids=["logits", "doubles", "windows of windows", "windows", "safetensors"],
)
def test_every_shape_holds_the_same_vectors(data):
    assert np.array_equal(read(data), LOGITS)


def test_windows_of_the_original_are_put_together_and_cut_again():
    """What lies in the middle of a window of the original's is the frame's own sound."""
    with np.load(GOLDEN) as golden:
        windows = golden["audio_windows"]
    one = np.repeat(windows[:1], FRAMES, axis=0)
    assert np.array_equal(read(npy(one))[:2], windows[0, 4, 8:10])


def test_a_little_less_is_filled_with_zeros_and_a_little_more_is_cut():
    assert np.array_equal(read(npy(LOGITS[:-5])), np.concatenate([LOGITS[:-5], np.zeros((5, 29), np.float32)]))
    assert np.array_equal(read(npy(np.concatenate([LOGITS, LOGITS[:9]]))), LOGITS)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (None, "invalid_request", "give them as a file"),
        (b"", "unsupported_media", "0 bytes are no .npy"),
        (b"RIFF....WAVEfmt ", "unsupported_media", "no .npy and no safetensors"),
        (npy(LOGITS)[:-100], "unsupported_media", "no .npy and no safetensors"),
        (npy(np.array([Trap()], object)), "unsupported_media", "allow_pickle=False"),
        (npy(LOGITS[:, :28]), "invalid_request", r"shape \(60, 28\)"),
        (npy(LOGITS.astype(np.int16)), "invalid_request", "of int16"),
        (npy(LOGITS[:0]), "invalid_request", r"shape \(0, 29\)"),
        (npy(LOGITS[:20]), "invalid_request", "last 0.40 s, the speech 1.20 s"),
        (npy(np.where(LOGITS > 2, np.nan, LOGITS)), "invalid_request", "not finite"),
        (save({"a": LOGITS, "b": LOGITS}), "invalid_request", "holds 2 arrays"),
    ],
    ids=["none", "empty", "a sound", "cut", "pickle", "28", "integers", "nothing", "short", "nan", "two"],
)
def test_anything_else_is_refused(data, code, told, capsys):
    with pytest.raises(ProblemError, match=told) as caught:
        read(data)
    assert (caught.value.code, caught.value.param) == (code, "features")
    assert capsys.readouterr().out == ""
