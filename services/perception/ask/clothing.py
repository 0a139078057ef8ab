"""What people wear: the colour of the top and of what is below it, and garments that ImageNet knows."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.faces import Face
from services.common.onnx_model import Float
from services.perception.ask.attributes import RULES
from services.perception.ask.colours import main_colour
from services.perception.detect.people import Subject
from services.perception.schemas import Answer

GARMENTS: Final = {
    400: "an academic gown", 652: "a military uniform", 439: "a military cap",
    617: "a lab coat", 411: "an apron", 834: "a suit", 906: "a suit", 457: "a suit", 982: "a suit",
    614: "a kimono", 578: "a gown",
    610: "a T-shirt", 841: "a sweatshirt", 474: "a cardigan", 869: "a trench coat", 568: "a fur coat",
    445: "swimwear", 639: "swimwear", 842: "swimwear", 697: "pajamas", 399: "an abaya", 887: "a vestment",
    981: "a baseball uniform", 560: "a football helmet", 518: "a helmet", 515: "a cowboy hat", 808: "a sombrero",
}  # fmt: skip
"""ImageNet class -> garment; ties and a bridegroom count as suits, classes that fire on any clothes are left out,
and so is the academic cap, which long dark hair is taken for."""

GARMENT_MIN_SCORE: Final = 0.4
_SKIN_DISTANCE: Final = 16.0
_MOSTLY_SKIN: Final = 0.6


def clothing_answers(
    small: npt.NDArray[np.uint8], zoom: float, mask: npt.NDArray[np.bool_], person: Subject
) -> dict[str, Answer]:
    """``top_colour`` and ``bottom_colour`` of a person.

    ``small`` (h, w, 3) is the photo at ``zoom`` times its size and ``mask`` (h, w) the person in it.
    """
    skin = _skin_colour(small, zoom, person.face) if person.face else None
    answers = {}
    for name, outline in (("top_colour", _torso(person)), ("bottom_colour", _thighs(person))):
        if outline is None:
            continue
        region = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(region, [np.round(polygon * zoom).astype(np.int32) for polygon in outline], 1)
        colour = main_colour(_without_skin(small[(region > 0) & mask], skin))
        if colour is not None:
            answers[name] = Answer(value=colour.name, score=round(colour.share, 3), model=RULES)
    return answers


def garment_answer(classes: Float, model: str) -> Answer | None:
    """The surest garment among ImageNet probabilities (1000,) of the person's crop, None where none is sure."""
    totals: dict[str, float] = {}
    for index, garment in GARMENTS.items():
        totals[garment] = totals.get(garment, 0.0) + float(classes[index])
    best = max(totals, key=lambda garment: totals[garment])
    if totals[best] < GARMENT_MIN_SCORE:
        return None
    return Answer(value=best, score=round(min(totals[best], 1.0), 3), model=model)


def _torso(person: Subject) -> list[Float] | None:
    """Polygon between shoulders and hips, drawn in from the arms; below the chin where only the face is known."""
    points = [person.pose.point(f"{side}_shoulder") for side in ("left", "right")] if person.pose else [None, None]
    left, right = points
    if left is None or right is None:
        return _below_face(person)
    hips = [person.pose.point(f"{side}_hip") if person.pose else None for side in ("left", "right")]
    down = np.array([0, 1.2 * np.linalg.norm(left - right)], np.float32)
    low_left, low_right = (
        hip if hip is not None else shoulder + down for hip, shoulder in zip(hips, (left, right), strict=True)
    )
    quad = np.stack([left, right, low_right, low_left])
    middle = quad.mean(0)
    inner = middle + (quad - middle) * np.array([0.75, 0.85], np.float32)
    return [inner.astype(np.float32)]


def _below_face(person: Subject) -> list[Float] | None:
    if person.face is None:
        return None
    x0, y0, x1, y1 = person.face.box
    wide, high = x1 - x0, y1 - y0
    top, bottom = y1 + 0.6 * high, min(y1 + 2.2 * high, person.box[3])
    if bottom <= top:
        return None
    left, right = x0 - 0.2 * wide, x1 + 0.2 * wide
    return [np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)]


def _thighs(person: Subject) -> list[Float] | None:
    if person.pose is None:
        return None
    polygons = []
    for side in ("left", "right"):
        hip, knee = person.pose.point(f"{side}_hip"), person.pose.point(f"{side}_knee")
        if hip is None or knee is None:
            continue
        along = (knee - hip) * 0.8
        across = np.array([-along[1], along[0]], np.float32) * 0.15
        start = hip + (knee - hip) * 0.15
        polygons.append(np.stack([start - across, start + across, start + along + across, start + along - across]))
    return [polygon.astype(np.float32) for polygon in polygons] or None


def _skin_colour(small: npt.NDArray[np.uint8], zoom: float, face: Face) -> Float | None:
    """Median Lab colour of the cheeks (between the lower lids and the mouth)."""
    points = face.landmarks * zoom
    outline = np.stack([points[41], points[46], points[54], points[48]])
    region = np.zeros(small.shape[:2], np.uint8)
    cv2.fillPoly(region, [np.round(outline).astype(np.int32)], 1)
    cheeks = small[region > 0]
    return np.median(_lab(cheeks), axis=0).astype(np.float32) if len(cheeks) else None


def _without_skin(pixels: npt.NDArray[np.uint8], skin: Float | None) -> npt.NDArray[np.uint8]:
    """Bare arms, necks and legs are no clothes; where nearly all looks like skin, nothing is left to name."""
    if skin is None or not len(pixels):
        return pixels
    lab = _lab(pixels)
    is_skin = (np.hypot(*(lab[:, 1:] - skin[1:]).T) < _SKIN_DISTANCE) & (np.abs(lab[:, 0] - skin[0]) < 70)
    is_skin &= np.hypot(*(lab[:, 1:] - 128).T) > 8  # grey and black cloth is near the skin of a grey picture
    return pixels[:0] if is_skin.mean() > _MOSTLY_SKIN else pixels[~is_skin]


def _lab(pixels: npt.NDArray[np.uint8]) -> Float:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels)[None], cv2.COLOR_RGB2LAB)[0], np.float32)
