"""Where pixels are made and where they are kept.

No mask here knows the target's mouth or jaw: a mask that follows the jaw tells the answer in training and leaks the
old lip shape when a video is voiced anew.
"""

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from services.talkinghead.difftalk.configuration import PixelWindow

HIDDEN = -1.0
"""What masked pixels are set to: black, as in the original."""
_NOSE_BASE = 33


def soft_mask(window: PixelWindow) -> npt.NDArray[np.float32]:
    """1 where pixels are made, falling softly to 0 before the window's edge: (height, width), a superellipse."""
    y = (np.arange(window.height) + 0.5) / (window.height / 2) - 1.0
    x = (np.arange(window.width) + 0.5) / (window.width / 2) - 1.0
    radius = np.abs(x / 0.95)[None, :] ** 3.0 + np.abs(y / 0.95)[:, None] ** 3.0
    mask: npt.NDArray[np.float32] = np.clip((1.0 - radius) * 2.5, 0.0, 1.0).astype(np.float32)
    return mask


def place(mask: npt.NDArray[np.float32], window: PixelWindow, size: int) -> npt.NDArray[np.float32]:
    """The mask of a window of the 128 px face square, in the whole square at `size` pixels an edge: (size, size)."""
    whole = np.zeros((128, 128), np.float32)
    whole[window.top : window.top + window.height, window.left : window.left + window.width] = mask
    return np.asarray(cv2.resize(whole, (size, size), interpolation=cv2.INTER_LINEAR))


def keep_mask(mask: npt.NDArray[np.float32], factor: int) -> Tensor:
    """Pixel mask (H, W) -> (1, 1, H/f, W/f), 1 for latent cells none of whose pixels are made."""
    made = nn.functional.max_pool2d(torch.from_numpy(mask)[None, None], factor)
    return (made == 0.0).float()


def hide(images: Tensor, mask: npt.NDArray[np.float32]) -> Tensor:
    """Blacken the made part of images (B, 3, H, W) in [-1, 1]; mask (H, W), made where above 0."""
    return torch.where(torch.from_numpy(mask > 0.0), torch.full_like(images, HIDDEN), images)


def hide_below_nose(images: Tensor, landmarks: Tensor) -> Tensor:
    """Blacken all rows from the nose base down, as the paper's models are trained.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        landmarks: (B, 68, 2), pixels (x, y).
    """
    rows = torch.arange(images.shape[2], device=images.device)[None, :]
    hidden = rows >= landmarks[:, _NOSE_BASE, 1].long()[:, None]  # (B, H)
    return torch.where(hidden[:, None, :, None], torch.full_like(images, HIDDEN), images)
