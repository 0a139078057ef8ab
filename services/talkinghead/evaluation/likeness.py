"""How like the truth pictures are: PSNR and SSIM, and a distance of what a picture network sees."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from services.common.onnx_model import OnnxModel

Bytes = NDArray[np.uint8]

_ENLARGED: Final = 4
"""The network knows things hundreds of pixels wide; the mouth is 64."""
_BATCH: Final = 8


def psnr_db(made: Bytes, truth: Bytes) -> float | None:
    """Mean over (N, h, w, 3) frames, without those that are equal; None where all are."""
    values = [peak_signal_noise_ratio(b, a) for a, b in zip(made, truth, strict=True) if (a != b).any()]
    return float(np.mean(values)) if values else None


def ssim(made: Bytes, truth: Bytes) -> float:
    """Mean structural similarity (Wang et al., 2004; 7 x 7 px, over the three colours) of (N, h, w, 3) frames."""
    return float(np.mean([structural_similarity(a, b, channel_axis=2) for a, b in zip(made, truth, strict=True)]))


def efficientnet_distance(made: Bytes, truth: Bytes, features: OnnxModel) -> float:
    """Mean over (N, h, w, 3) frames of how far four layers of EfficientNet-Lite0 lie apart; 0 where frames are equal.

    Of each layer the squared error over the energy of the truth's features: the feature distance of Johnson et al.
    (2016, section 3.2), each layer weighing the same. It is not LPIPS, and figures of both are not comparable.
    """
    distances = []
    for start in range(0, len(made), _BATCH):
        both = [_enlarged(frames[start : start + _BATCH]) for frames in (made, truth)]
        layers = zip(*(features(pictures).values() for pictures in both), strict=True)
        distances.append(np.mean([_energy(ours - theirs) / _energy(theirs) for ours, theirs in layers], axis=0))
    return float(np.concatenate(distances).mean())


def _energy(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.square(channels).sum((1, 2, 3)), np.float32)


def _enlarged(frames: Bytes) -> NDArray[np.float32]:
    size = frames.shape[2] * _ENLARGED, frames.shape[1] * _ENLARGED
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames]).astype(np.float32)
