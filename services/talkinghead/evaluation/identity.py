"""Is it still the same person? Embeddings of face-api's recognition network, which no training here has seen."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.onnx_model import OnnxModel

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_FACE: Final = slice(20, 111), slice(18, 109)
"""Rows and columns of the face square that hold the face as the network was trained to see it: centred between eyes and
mouth, 2.2 times as wide as the way from the eyes to the mouth."""
_SIDE_PX: Final = 150


def embeddings(squares: Bytes, network: OnnxModel) -> Floats:
    """(N, 128, 128, 3) face squares -> (N, 128)."""
    faces = [cv2.resize(square[_FACE], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC) for square in squares]
    return np.concatenate([network(face[None].astype(np.float32))["identity"] for face in faces])


def similarity(squares: Bytes, reference: Bytes, network: OnnxModel) -> float:
    """Mean cosine similarity of (N, 128, 128, 3) squares to the ``reference`` square (128, 128, 3)."""
    theirs, own = embeddings(squares, network), embeddings(reference[None], network)[0]
    lengths = np.linalg.norm(theirs, axis=1) * np.linalg.norm(own)
    return float((theirs @ own / lengths).mean())
