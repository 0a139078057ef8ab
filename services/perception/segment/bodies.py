"""Which of several bodies a pixel belongs to: the one whose axis, from head to hips, is nearest in body widths."""

from collections.abc import Sequence

import numpy as np

from services.common.onnx_model import Float
from services.perception.detect.people import Subject
from services.perception.segment.masks import MaskArray


def apart(masks: Sequence[MaskArray], people: Sequence[Subject], zoom: float) -> list[MaskArray]:
    """The masks (h, w) of ``people``, in the photo at ``zoom`` times its size, with no pixel in two of them."""
    if len(masks) < 2:
        return list(masks)
    distances = np.stack([_axis_distance(person, zoom, masks[0].shape) for person in people])
    nearest = np.where(np.stack(masks), distances, np.inf).argmin(0)
    return [mask & (nearest == index) for index, mask in enumerate(masks)]


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
