"""Where the photo was taken and what goes on, as far as ImageNet classes and COCO objects support it."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float, OnnxModel
from services.perception.schemas import Answer, Thing

INPUT_PX: Final = 224
PLACE_MIN_SCORE: Final = 0.35

PLACES: Final[dict[str, tuple[int, ...]]] = {
    "by the water": (975, 976, 977, 978, 460, 718),
    "in the mountains": (970, 972, 979),
    "in the snow": (795, 802, 537),
    "in a park or garden": (703, 716, 843, 706),
    "at a campsite": (672,),
    "on a boat": (472, 484, 814, 914, 780, 576),
    "in a restaurant or at a meal": (762, 532, 923, 922, 966, 572, 441),
    "on a stage": (819, 650, 546, 402, 541, 889, 486, 776, 579, 875, 513, 401),
    "at a sports ground": (430, 890, 805, 768, 429, 981, 560, 781, 752),
    "in a gym": (602, 702, 422, 543),
    "in a church": (406, 497),
    "in an office or classroom": (526, 527, 681, 664, 620, 745, 662),
    "in a library or bookshop": (624, 453, 454),
    "in a shop": (582, 788, 865, 415, 467, 509, 860),
    "at a barber's": (424, 423),
    "in a living room": (831, 598, 851),
    "in a bedroom": (564, 520),
    "in a kitchen": (827, 760),
    "on public transport": (705, 654, 779, 874),
}
"""Phrase -> ImageNet classes whose probabilities add up to it."""

_INDOORS: Final = frozenset(
    (
        "in a restaurant or at a meal", "in a gym", "in an office or classroom", "in a library or bookshop",
        "in a shop", "at a barber's", "in a living room", "in a bedroom", "in a kitchen", "on public transport",
    )
)  # fmt: skip
_OUTDOORS: Final = frozenset(
    ("by the water", "in the mountains", "in the snow", "in a park or garden", "at a campsite", "on a boat")
)
_INDOOR_THINGS: Final = frozenset(
    ("couch", "bed", "toilet", "television", "microwave", "oven", "toaster", "sink", "refrigerator")
)
_OUTDOOR_THINGS: Final = frozenset(
    (
        "car", "bus", "train", "truck", "boat", "airplane", "traffic light", "fire hydrant", "stop sign",
        "parking meter", "skis", "snowboard", "surfboard", "kite", "horse", "sheep", "cow", "elephant", "bear",
        "zebra", "giraffe",
    )
)  # fmt: skip
_THING_MIN_SCORE: Final = 0.45
_LANDSCAPE: Final = slice(970, 981)
"""ImageNet's alp to volcano: behind people they share what is too little for a place, and are never indoors."""

_LANDSCAPE_MIN_SCORE: Final = 0.15


class SceneReader:
    """EfficientNet-Lite0 on the background, and on a person's crop for garments."""

    def __init__(self, model: OnnxModel, name: str) -> None:
        self._model, self.name = model, name

    def classes(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> Float:
        """N pictures, each (H, W, 3) uint8 -> (N, 1000) ImageNet probabilities, by one call."""
        squares = [cv2.resize(one, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA) for one in pictures]
        return np.asarray(self._model(np.stack(squares).astype(np.float32))["classes"], np.float32)


def painted_over(pixels: npt.NDArray[np.uint8], masks: Sequence[npt.NDArray[np.bool_]]) -> npt.NDArray[np.uint8]:
    """(h, w, 3) with the pixels of the masks (h, w) in the mean colour of the others; as it was where none are left."""
    covered = np.zeros(pixels.shape[:2], bool)
    for mask in masks:
        covered |= mask
    if covered.all() or not covered.any():
        return pixels
    painted = pixels.copy()
    painted[covered] = pixels[~covered].mean(0).astype(np.uint8)
    return painted


def scene_answers(whole: Float, background: Float, things: Sequence[Thing], model: str) -> dict[str, Answer]:
    """``place`` and ``setting`` (indoors, outdoors), each only where it is supported."""
    totals = {
        place: max(float(classes[list(indices)].sum()) for classes in (whole, background))
        for place, indices in PLACES.items()
    }
    place = max(totals, key=lambda name: totals[name])
    answers = {}
    if totals[place] >= PLACE_MIN_SCORE:
        answers["place"] = Answer(value=place, score=round(min(totals[place], 1.0), 3), model=model)
    indoors = [thing.score for thing in things if thing.name in _INDOOR_THINGS and thing.score >= _THING_MIN_SCORE]
    outdoors = [thing.score for thing in things if thing.name in _OUTDOOR_THINGS and thing.score >= _THING_MIN_SCORE]
    if "place" in answers:
        (indoors if place in _INDOORS else outdoors if place in _OUTDOORS else []).append(totals[place])
    landscape = max(float(classes[_LANDSCAPE].sum()) for classes in (whole, background))
    if landscape >= _LANDSCAPE_MIN_SCORE:
        outdoors.append(0.5 + landscape / 2)
    if bool(indoors) != bool(outdoors):
        value, scores = ("indoors", indoors) if indoors else ("outdoors", outdoors)
        answers["setting"] = Answer(value=value, score=round(min(max(scores), 1.0), 3), model=model)
    return answers
