"""SyncNet itself (Chung and Zisserman, 2016), for whoever has its weights: LSE-D and LSE-C as the field tells them.

The weights are `syncnet_v2.model` of joonson/syncnet_python, whose names the layers below carry; they are not ours to
ship. LSE-D and LSE-C are Wav2Lip's (Prajwal et al., 2020): the smallest mean distance over 31 lags, and how far the
median lag lies above it.

The field cuts faces by the box of a detector (S3FD) that is followed over the shot; here they are cut by landmarks, to
about the same place. So look at the ground truth's own row, and compare within one table.
"""

import pickle
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
import python_speech_features
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.talkinghead.speech.actions import FPS, SAMPLE_RATE_HZ
from services.talkinghead.sync.agreement import MOST_FRAMES, Runs, best_and_median, in_parts

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]

_SIDE_PX: Final = 224
_BOX: Final = (-6.0, 12.0, 134.0, 152.0)
"""Left, top, right, bottom in the 128 px face square: a face box from the hairline to the chin, widened as SyncNet's
own pipeline does it. What lies outside the square is its edge, repeated."""
_MFCC_PER_FRAME: Final = 4
_MFCC_FRAMES: Final = 20
_BATCH: Final = 4


class SyncNet(nn.Module):
    """Two convolutional towers that meet in 1024 values."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_layer2d(1, 64, 3, 1),
            nn.MaxPool2d(1, 1),
            *_layer2d(64, 192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_layer2d(192, 384, 3, 1),
            *_layer2d(384, 256, 3, 1),
            *_layer2d(256, 256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_layer2d(256, 512, (5, 4), 0),
        )
        self.netfcaud, self.netfclip = _head(), _head()
        self.netcnnlip = nn.Sequential(
            *_layer3d(3, 96, (5, 7, 7), stride=2, padding=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3d(96, 256, (1, 5, 5), stride=2, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_layer3d(256, 256, (1, 3, 3), stride=1, padding=1),
            *_layer3d(256, 256, (1, 3, 3), stride=1, padding=1),
            *_layer3d(256, 256, (1, 3, 3), stride=1, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3d(256, 512, (1, 6, 6), stride=1, padding=0),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ValueError: it is not SyncNet's file. Nothing in it is executed."""
        network = cls()
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, EOFError, AttributeError, TypeError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"syncnet: {path} does not hold SyncNet's weights ({reason})") from None
        return network.eval()

    def see(self, faces: Tensor) -> Tensor:
        """(B, 3, 5, 224, 224), blue first, 0 to 255 -> (B, 1024)."""
        values: Tensor = self.netfclip(self.netcnnlip(faces).flatten(1))
        return values

    def hear(self, mfcc: Tensor) -> Tensor:
        """(B, 1, 13, 20) -> (B, 1024)."""
        values: Tensor = self.netfcaud(self.netcnnaud(mfcc).flatten(1))
        return values


def _layer2d(inputs: int, outputs: int, kernel: int | tuple[int, int], padding: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()]


def _layer3d(inputs: int, outputs: int, kernel: tuple[int, int, int], *, stride: int, padding: int) -> list[nn.Module]:
    """Strides and edges along height and width."""
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), (0, padding, padding))
    return [convolution, nn.BatchNorm3d(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


@torch.inference_mode()
def lip_sync_errors(
    network: SyncNet, squares: Bytes, times_s: Floats, samples: NDArray[np.float32]
) -> tuple[float | None, float | None]:
    """LSE-D (smaller is better) and LSE-C (larger is better); None where no five moments in a row are shown.

    Args:
        network: in evaluation mode, on the CPU.
        squares: (N, 128, 128, 3) RGB.
        times_s: (N,) middles of the frames.
        samples: (S,) at 16 kHz.
    """
    runs = Runs.of(times_s)
    mfcc = python_speech_features.mfcc((samples * 32767).astype(np.int16), SAMPLE_RATE_HZ).T  # (13, 100 a second)
    # the field's runs end with the sound, and sound beyond its ends has the vector 0
    lasts = (mfcc.shape[1] - _MFCC_FRAMES) // _MFCC_PER_FRAME
    heard_at = np.arange(min(lasts + 1, len(samples) * FPS // SAMPLE_RATE_HZ))
    within = np.isin(runs.places, heard_at)
    if not within.any():
        return None, None
    faces = torch.from_numpy(np.stack([_face(square) for square in squares]))  # (N, 224, 224, 3)
    seen = torch.cat([network.see(_clips(faces, part)) for part in in_parts(runs.pictures[within], _BATCH)])
    windows = np.stack([mfcc[:, _MFCC_PER_FRAME * n : _MFCC_PER_FRAME * n + _MFCC_FRAMES] for n in heard_at])
    heard = torch.cat([network.hear(torch.from_numpy(part).float()[:, None]) for part in in_parts(windows, _BATCH)])
    padded = nn.functional.pad(heard, (0, 0, MOST_FRAMES, MOST_FRAMES))
    around = torch.from_numpy(runs.around()[within] + MOST_FRAMES)
    distances = torch.stack(
        [nn.functional.pairwise_distance(each, padded[where]) for each, where in zip(seen, around, strict=True)]
    )
    return best_and_median(distances)


def _face(square: Bytes) -> Bytes:
    """(128, 128, 3) RGB -> (224, 224, 3), blue first."""
    left, top, right, bottom = _BOX
    zoom = _SIDE_PX / (right - left)
    matrix = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]])
    size = (_SIDE_PX, round((bottom - top) * zoom))
    cut = cv2.warpAffine(square, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut[..., ::-1])


def _clips(faces: Tensor, pictures: NDArray[np.int64]) -> Tensor:
    """(B, 5) numbers of faces -> (B, 3, 5, 224, 224)."""
    return faces[torch.from_numpy(pictures)].permute(0, 4, 1, 2, 3).float()
