"""SAM, SlimSAM and SAM 2 (Kirillov et al. 2023, arXiv 2304.02643; Ravi et al. 2024, arXiv 2408.00714) in one form.

A picture is encoded once; masks are then read off that encoding for as many points and boxes as are asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np
import torch
from torch import Tensor

from services.common.errors import ProblemError
from services.common.onnx_model import Float
from services.perception.hub.network import load_network
from services.perception.hub.source import Checkpoint
from services.perception.segment.masks import MaskArray, Pixels

KINDS: Final = {"sam": "SamModel", "sam2": "Sam2Model", "sam2_video": "Sam2Model"}
"""``model_type`` -> class; SlimSAM is a SAM with fewer channels, and the memory for videos of SAM 2 is left aside."""

_SQUEEZED: Final = ("Sam2Model",)
"""These see the picture squeezed to a square; the others see it in the upper left corner of one."""

_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""Of ImageNet, by which every published SAM is fed."""

PROMPTS: Final = 256
"""Prompts of one call of the mask decoder; the authors' 64 leave a GPU idle."""

_WHOLE: Final = 2
"""Of a point's three masks (part, larger part, whole) SocialGPT keeps the whole."""


@dataclass(frozen=True)
class Encoding:
    """What the image encoder made of a picture: (height, width), and pixels of the network's input for one of it."""

    features: Any
    size: tuple[int, int]
    zoom: Float  # (2,) across, down


@dataclass(frozen=True)
class Proposals:
    """N masks: ``logits`` (N, h, w), each covering the picture, and the network's guess of their IoU, (N,)."""

    logits: Tensor
    ious: Tensor


class PromptableNetwork:
    """``encodings`` and ``decodings`` count calls, so that what a photo costs can be told."""

    def __init__(self, network: Any, name: str) -> None:
        self._network, self.name = network, name
        self._side = int(network.config.prompt_encoder_config.image_size)
        self._squeezed = type(network).__name__ in _SQUEEZED
        self.encodings = self.decodings = 0

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        """Raises ``model_unavailable``, also where the checkpoint is of another kind."""
        kind = checkpoint.config().get("model_type")
        if kind not in KINDS:
            raise ProblemError(
                "model_unavailable",
                f"model {checkpoint.name}: model_type is {kind!r}, one of {sorted(KINDS)} is needed",
            )
        return cls(load_network(checkpoint, KINDS[kind]), checkpoint.name)

    @torch.no_grad()
    def encode(self, pixels: Pixels) -> Encoding:
        """(H, W, 3) uint8."""
        height, width = pixels.shape[:2]
        zoom = self._side / max(height, width)
        shape = (self._side, self._side)
        if not self._squeezed:
            shape = max(1, round(width * zoom)), max(1, round(height * zoom))
        seen = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
        square = np.zeros((self._side, self._side, 3), np.float32)
        square[: shape[1], : shape[0]] = (seen / 255 - _MEAN) / _STD
        values = torch.from_numpy(square).permute(2, 0, 1)[None].to(self._network.device, self._network.dtype)
        self.encodings += 1
        return Encoding(
            self._network.get_image_embeddings(values),
            (height, width),
            np.array([shape[0] / width, shape[1] / height], np.float32),
        )

    def in_boxes(self, encoding: Encoding, boxes: Sequence[Float]) -> Iterator[Proposals]:
        """One mask per box (4,) in pixels of the picture."""
        return self._decode(encoding, "input_boxes", np.stack(list(boxes)) * np.tile(encoding.zoom, 2), which=None)

    def at_points(self, encoding: Encoding, points: Float) -> Iterator[Proposals]:
        """(N, 2) x, y in pixels of the picture -> of each the mask of the whole that is there."""
        return self._decode(encoding, "input_points", (points * encoding.zoom)[:, None], which=_WHOLE)

    @torch.no_grad()
    def _decode(self, encoding: Encoding, name: str, prompts: Float, *, which: int | None) -> Iterator[Proposals]:
        """Call by call: 1,024 masks at once are a quarter of a gigabyte."""
        for first in range(0, len(prompts), PROMPTS):
            part = torch.from_numpy(prompts[first : first + PROMPTS])[None]
            self.decodings += 1
            answer = self._network(
                image_embeddings=encoding.features,
                multimask_output=which is not None,
                **{name: part.to(self._network.device, self._network.dtype)},
            )
            logits = answer.pred_masks[0, :, which or 0].float()
            yield Proposals(self._without_margin(logits, encoding), answer.iou_scores[0, :, which or 0].float())

    def _without_margin(self, logits: Tensor, encoding: Encoding) -> Tensor:
        """(N, h, w) of the square -> of the picture in it."""
        height, width = encoding.size
        down, across = encoding.zoom[1] * height / self._side, encoding.zoom[0] * width / self._side
        rows, columns = max(1, round(logits.shape[1] * down)), max(1, round(logits.shape[2] * across))
        return logits[:, :rows, :columns]


def as_mask(logits: Tensor, shape: tuple[int, int]) -> MaskArray:
    """(h, w) -> the mask in ``shape``, its edges as smooth as the logits are."""
    return np.asarray(cv2.resize(logits.cpu().numpy(), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR) > 0)
