"""DeepSpeech logits, from a file that the caller brings along: what the paper's models were trained with.

DeepSpeech 0.1 (arXiv 1412.5567) runs on an old TensorFlow alone; its logits (26 letters, space, apostrophe, blank) are
computed outside and read here. Three shapes are in use, and all hold the same vectors:

- (N, 29): the logits themselves, 50 a second.
- (T, 16, 29): the windows that AD-NeRF's script stores, one for each frame at 25 fps.
- (T, 8, 16, 29): DiffTalk's own files (``audio_smooth/N_M.npy``, 8 neighbouring windows), stacked along time.
"""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from services.common.errors import ProblemError
from services.talkinghead.difftalk.audio_encoder import features_of_windows
from services.talkinghead.difftalk.configuration import AUDIO_NEIGHBOURS, AUDIO_WINDOW
from services.talkinghead.speech.features.extractor import RATE_HZ, Floats, Heard

VALUES: Final = 29

_TOLERANCE: Final = RATE_HZ // 2
"""Vectors by which the file may be shorter or longer than the speech: half a second, which padding explains."""


class DeepSpeechFeatures:
    """Reads what the caller brought."""

    values = VALUES

    def __call__(self, heard: Heard) -> Floats:
        """(2 T, 29). Raises invalid_request (no file, wrong shape, another speech's), unsupported_media."""
        if heard.supplied is None:
            raise _problem("this model hears DeepSpeech logits, 29 values 50 times a second; give them as a file")
        vectors = _vectors(_array(heard.supplied))
        wanted = 2 * len(heard.actions)
        if abs(len(vectors) - wanted) > _TOLERANCE:
            raise _problem(
                f"{len(vectors)} vectors at {RATE_HZ} a second last {len(vectors) / RATE_HZ:.2f} s, "
                f"the speech {wanted / RATE_HZ:.2f} s; they must be of the same speech"
            )
        return np.pad(vectors, ((0, max(0, wanted - len(vectors))), (0, 0)))[:wanted]


def _array(data: bytes) -> NDArray[np.generic]:
    """The array of an .npy file, or the only one of a safetensors file; no pickled object is read."""
    try:
        if data.startswith(np.lib.format.MAGIC_PREFIX):
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
        arrays = load(data)
    except (SafetensorError, ValueError, EOFError, OSError) as error:
        raise ProblemError(
            "unsupported_media",
            f"features: {len(data)} bytes are no .npy and no safetensors file that can be read ({error})",
            param="features",
        ) from None
    if len(arrays) != 1:
        raise _problem(f"the safetensors file holds {len(arrays)} arrays ({sorted(arrays)}), one is expected")
    return np.asarray(next(iter(arrays.values())))


def _vectors(array: NDArray[np.generic]) -> Floats:
    shape = array.shape
    known = ((VALUES,), (AUDIO_WINDOW, VALUES), (AUDIO_NEIGHBOURS, AUDIO_WINDOW, VALUES))
    if shape[1:] not in known or not shape[0] or not np.issubdtype(array.dtype, np.floating):
        raise _problem(
            f"the array has shape {shape} of {array.dtype}; (N, {VALUES}), (T, {AUDIO_WINDOW}, {VALUES}) or "
            f"(T, {AUDIO_NEIGHBOURS}, {AUDIO_WINDOW}, {VALUES}) of floats is expected"
        )
    values = np.asarray(array, np.float32)
    if not np.isfinite(values).all():
        raise _problem("some of its values are not finite")
    return values if values.ndim == 2 else features_of_windows(values)


def _problem(reason: str) -> ProblemError:
    return ProblemError("invalid_request", f"features: {reason}", param="features")
