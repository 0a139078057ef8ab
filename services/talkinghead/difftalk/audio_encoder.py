"""Audio condition: 16 feature vectors -> 64 values, then attention over 8 windows (DiffTalk, section 3.2)."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from services.talkinghead.difftalk.configuration import AUDIO_NEIGHBOURS, AUDIO_WINDOW, CONDITION_CHANNELS

_SLOPE = 0.02  # of the leaky rectifiers, as in the original
_ATTENDED_CHANNELS = 32  # temporal attention looks at the first half of each window's code, as in the original

REACH = 8
"""Frames on either side that a frame's windows look at: 4 neighbours of 16 vectors (8 frames) each."""


class WindowEncoder(nn.Module):
    """One window of feature vectors -> one code: four strided convolutions shrink 16 vectors to one."""

    def __init__(self, features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((features, 32), (32, 32), (32, 64), (64, 64)):
            layers += [nn.Conv1d(inputs, outputs, kernel_size=3, stride=2, padding=1), nn.LeakyReLU(_SLOPE)]
        self.convolutions = nn.Sequential(*layers)
        self.projection = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(_SLOPE), nn.Linear(64, CONDITION_CHANNELS))

    def forward(self, windows: Tensor) -> Tensor:
        """Windows (N, 16, features) -> codes (N, 64)."""
        code: Tensor = self.projection(self.convolutions(windows.transpose(1, 2)).squeeze(-1))
        return code


class TemporalAttention(nn.Module):
    """Weighs the codes of neighbouring windows: the learned temporal filter of the paper."""

    def __init__(self) -> None:
        super().__init__()
        channels = (_ATTENDED_CHANNELS, 16, 8, 4, 2, 1)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv1d(inputs, outputs, kernel_size=3, padding=1), nn.LeakyReLU(_SLOPE)]
        self.convolutions = nn.Sequential(*layers)
        self.scores = nn.Linear(AUDIO_NEIGHBOURS, AUDIO_NEIGHBOURS)

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (B, 8, 64) -> their weighted sum (B, 64)."""
        attended = self.convolutions(codes[..., :_ATTENDED_CHANNELS].transpose(1, 2))  # (B, 1, 8)
        weights = torch.softmax(self.scores(attended), dim=-1)
        return (weights @ codes).squeeze(1)


class AudioEncoder(nn.Module):
    """Audio windows of a frame -> its audio condition."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.window_encoder = WindowEncoder(features)
        self.temporal_attention = TemporalAttention()

    def forward(self, windows: Tensor) -> Tensor:
        """Windows (B, 8, 16, features) -> condition (B, 64)."""
        codes = self.window_encoder(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        condition: Tensor = self.temporal_attention(codes)
        return condition


def audio_windows(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cut the windows of every video frame.

    Frame t of a 25 fps video stands at feature vectors 2t and 2t + 1 (50 Hz). Its window is the 16 vectors
    2t - 8 ... 2t + 7; its neighbours are the windows of the frames t - 4 ... t + 3. Zeros stand for what lies
    outside the recording.

    Args:
        features: (2T, C), 50 Hz.

    Returns:
        (T, 8, 16, C).
    """
    frames, half, before = len(features) // 2, AUDIO_WINDOW // 2, AUDIO_NEIGHBOURS // 2
    padded = np.pad(features[: 2 * frames], ((half, half), (0, 0)))
    of_frame = np.stack([padded[2 * t : 2 * t + AUDIO_WINDOW] for t in range(frames)]).astype(np.float32)
    neighbours = np.pad(of_frame, ((before, before), (0, 0), (0, 0)))
    return np.stack([neighbours[t : t + AUDIO_NEIGHBOURS] for t in range(frames)])


def actions_as_features(actions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Facial actions (T, 11) at 25 fps -> feature vectors (2T, 11) at 50 Hz, linear in between.

    The `small` model reads these curves where the paper's models read DeepSpeech logits.
    """
    between = np.concatenate([(actions[:-1] + actions[1:]) / 2, actions[-1:]])
    return np.stack([actions, between], axis=1).reshape(-1, actions.shape[1]).astype(np.float32)


def features_of_windows(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The inverse of `audio_windows`: (T, 8, 16, C), or one window a frame (T, 16, C) -> features (2T, C)."""
    of_frame = windows[:, AUDIO_NEIGHBOURS // 2] if windows.ndim == 4 else windows
    half = AUDIO_WINDOW // 2
    return of_frame[:, half : half + 2].reshape(-1, windows.shape[-1])


def windows_between(features: npt.NDArray[np.float32], first: int, last: int) -> npt.NDArray[np.float32]:
    """Windows (last - first, 8, 16, C) of frames ``[first, last)``, as `audio_windows` cuts them."""
    before, after = max(first - REACH, 0), last + REACH
    return audio_windows(features[2 * before : 2 * after])[first - before : last - before]
