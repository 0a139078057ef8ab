"""SocialGPT's perception as published, by transformers' own classes: two SAMs, and a call for each crop and question.

A first SAM makes masks by a grid of points, by its authors' generator, which enlarges each mask to the photo before it
is judged. The middle of each is the prompt of a second SAM, which encodes the photo anew. BLIP-2's ``generate`` encodes
its picture for every caption and every question. Where the released code leaves a choice, the faster one is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import SamImageProcessorPil, SamProcessor

from services.common.onnx_model import Float
from services.perception.ask.answering import MAX_TOKENS
from services.perception.boxes import area, iou
from services.perception.segment.automatic import MIN_AREA, MIN_IOU, MIN_STABILITY, SAME_IOU, grid, stability
from services.perception.segment.masks import Pixels

LONG_SIDE_PX: Final = 384
"""To which the released code shrinks every photo first."""

_POINTS_AT_ONCE: Final = 64
_FIRST_IOU, _FIRST_STABILITY = 0.88, 0.95
_WHOLE: Final = 2

Mask = tuple[float, Tensor, Float]
"""Predicted IoU, logits (H, W), box."""


class PublishedPerception:
    """``first`` and ``second``: SAM, loaded twice; ``blip2`` and its processor."""

    def __init__(self, first: Any, second: Any, blip2: Any, processor: Any) -> None:
        side = first.config.vision_config.image_size
        self._sam_processor = SamProcessor(
            SamImageProcessorPil(size={"longest_edge": side}, pad_size={"height": side, "width": side})
        )
        self._sams, self._blip2, self._processor = (first, second), blip2, processor

    @torch.no_grad()
    def masks(self, pixels: Pixels, boxes: Sequence[Float], points: int) -> tuple[list[Mask], list[Tensor]]:
        """(regions, logits (h, w) per box), at the size that the photo is shrunk to."""
        zoom = LONG_SIDE_PX / max(pixels.shape[:2])
        shape = max(1, round(pixels.shape[1] * zoom)), max(1, round(pixels.shape[0] * zoom))
        small = np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA), np.uint8)
        seen = self._sam_processor(Image.fromarray(small), return_tensors="pt")
        first, second = (_Encoded(sam, sam.get_image_embeddings(seen["pixel_values"])) for sam in self._sams)
        made = self._prompted(first, small, grid(*shape, points)[:, None].tolist())
        found = _kept(made, _FIRST_IOU, _FIRST_STABILITY, least_area=0)
        middles = [[((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)] for _, _, box in found]
        regions: list[Mask] = []
        if middles:
            whole = [(ious[_WHOLE::3], logits[_WHOLE::3]) for ious, logits in self._prompted(second, small, middles)]
            regions = _kept(whole, MIN_IOU, MIN_STABILITY, least_area=MIN_AREA * shape[0] * shape[1])
        people = self._prompted(second, small, [(box * zoom).tolist() for box in boxes], "input_boxes")
        return regions, [one for _, logits in people for one in logits[_WHOLE::3]]

    @torch.no_grad()
    def answers(self, picture: Pixels, questions: Mapping[str, str]) -> dict[str, str]:
        """Question's name -> answer."""
        told = {}
        for name, question in questions.items():
            prompt = f"Question: {question} Answer:" if question else ""
            inputs = self._processor(picture, prompt, return_tensors="pt")
            ids = inputs["input_ids"].long()
            tokens = self._blip2.generate(
                pixel_values=inputs["pixel_values"], input_ids=ids, max_new_tokens=MAX_TOKENS, do_sample=False
            )
            told[name] = self._processor.tokenizer.decode(tokens[0, ids.shape[1] :], skip_special_tokens=True).strip()
        return told

    def _prompted(
        self, encoded: "_Encoded", pixels: Pixels, prompts: Sequence[Any], kind: str = "input_points"
    ) -> list[tuple[Tensor, Tensor]]:
        """Batches of (predicted IoU (3 N,), logits (3 N, H, W)): three masks a prompt."""
        picture = Image.fromarray(pixels)
        batches = []
        for first in range(0, len(prompts), _POINTS_AT_ONCE):
            part = {kind: [list(prompts[first : first + _POINTS_AT_ONCE])]}
            inputs = self._sam_processor(picture, return_tensors="pt", **part)
            answer = encoded.sam(
                image_embeddings=encoded.features, multimask_output=True, **{kind: inputs[kind].float()}
            )
            (large,) = self._sam_processor.post_process_masks(
                answer.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=False
            )
            batches.append((answer.iou_scores[0].flatten(), large.flatten(0, 1)))
        return batches


@dataclass(frozen=True)
class _Encoded:
    """A SAM, and what its image encoder made of the photo."""

    sam: Any
    features: Tensor


def _kept(
    batches: Sequence[tuple[Tensor, Tensor]], iou_above: float, stable: float, *, least_area: float
) -> list[Mask]:
    """The sure and stable, surest of every place first."""
    found: list[Mask] = []
    for ious, logits in batches:
        for score, one, steady in zip(ious.tolist(), logits, stability(logits).tolist(), strict=True):
            if score > iou_above and steady >= stable and (one > 0).any():
                found.append((score, one, _box(np.asarray((one > 0).numpy()))))
    kept: list[Mask] = []
    for mask in sorted(found, key=lambda mask: -mask[0]):
        if area(mask[2]) > least_area and all(iou(mask[2], other[2]) <= SAME_IOU for other in kept):
            kept.append(mask)
    return kept


def _box(mask: np.ndarray) -> Float:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
