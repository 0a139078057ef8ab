"""A mask per person: MediaPipe selfie segmentation on each person's box, shared pixels given to the nearer body."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float, OnnxModel
from services.perception.boxes import cut, grown
from services.perception.people import Subject
from services.perception.schemas import Mask

INPUT_PX: Final = 256
_MARGIN: Final = 0.08
_THRESHOLD: Final = 0.5
_LONG_SIDE_PX: Final = 640
"""Masks are worked out at this size; finer edges than the net's 256 px per person do not exist."""


class Segmenter:
    """The net tells people from background; which person a pixel belongs to is decided by the bodies' axes."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def segment(self, pixels: npt.NDArray[np.uint8], people: Sequence[Subject]) -> list[npt.NDArray[np.bool_]]:
        """Masks of the people, same order, each (h, w) with the longer side at most 640 px; no pixel is in two."""
        small, zoom = shrunk(pixels)
        masks = [self._in_box(small, person.box * zoom) for person in people]
        if len(masks) < 2:
            return masks
        distances = np.stack([_axis_distance(person, zoom, small.shape[:2]) for person in people])
        stacked = np.stack(masks)
        nearest = np.where(stacked, distances, np.inf).argmin(0)
        return [mask & (nearest == index) for index, mask in enumerate(masks)]

    def _in_box(self, pixels: npt.NDArray[np.uint8], box: Float) -> npt.NDArray[np.bool_]:
        part, cut_box = cut(pixels, grown(box, _MARGIN))
        square = cv2.resize(part, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        matte = cv2.resize(self._model(square[None])["mask"][0, :, :, 0], (part.shape[1], part.shape[0]))
        x0, y0, x1, y1 = cut_box.astype(int)
        mask = np.zeros(pixels.shape[:2], bool)
        mask[y0:y1, x0:x1] = matte > _THRESHOLD
        inside = np.zeros_like(mask)
        a0, b0, a1, b1 = np.round(box).astype(int).clip(0)
        inside[b0:b1, a0:a1] = True
        return mask & inside


def shrunk(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], float]:
    """(the picture at the size of its masks, at which zoom)."""
    zoom = min(1.0, _LONG_SIDE_PX / max(pixels.shape[:2]))
    if zoom == 1:
        return pixels, zoom
    shape = max(1, round(pixels.shape[1] * zoom)), max(1, round(pixels.shape[0] * zoom))
    return np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA), np.uint8), zoom


def run_lengths(mask: npt.NDArray[np.bool_], width: int, height: int) -> Mask:
    """The mask at the photo's size as COCO run lengths."""
    full = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    flat = full.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return Mask(size=(height, width), counts=counts if flat[0] == 0 else [0, *counts])


def _axis_distance(person: Subject, zoom: float, shape: tuple[int, ...]) -> Float:
    """(h, w): distance to the line from head to hips in body widths; smaller is more surely this person."""
    head, hips, body_width = (part * zoom for part in _axis(person))
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    along = hips - head
    length = max(float(along @ along), 1e-6)
    place = np.clip(((columns - head[0]) * along[0] + (rows - head[1]) * along[1]) / length, 0, 1)
    distance = np.hypot(columns - head[0] - place * along[0], rows - head[1] - place * along[1])
    return np.asarray(distance / max(float(body_width), 1.0), np.float32)


def _axis(person: Subject) -> tuple[Float, Float, Float]:
    """(head (2,), hips (2,), width of the body) from the pose and face where they are, else from the box."""
    x0, y0, x1, y1 = person.box
    head = np.array([(x0 + x1) / 2, y0 + 0.1 * (y1 - y0)], np.float32)
    hips = np.array([(x0 + x1) / 2, y0 + 0.9 * (y1 - y0)], np.float32)
    width = np.array(0.5 * (x1 - x0), np.float32)
    if person.face is not None:
        head = ((person.face.box[:2] + person.face.box[2:]) / 2).astype(np.float32)
        width = np.array(2 * (person.face.box[2] - person.face.box[0]), np.float32)
        hips = np.array([head[0], y1], np.float32)
    if person.pose is not None:
        seen = [point for name in ("left_hip", "right_hip") if (point := person.pose.point(name)) is not None]
        if seen:
            hips = np.mean(seen, axis=0).astype(np.float32)
    return head, hips, width
