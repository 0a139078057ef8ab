"""People, poses and answers made by hand: a body of 100 x 300 px whose parts lie where the words say."""

from collections.abc import Mapping

import numpy as np

from services.common.faces import Face
from services.common.onnx_model import Float
from services.perception.detect.people import Subject
from services.perception.detect.pose import KEYPOINTS, Pose
from services.perception.schemas import Answer, Person, Thing

Point = tuple[float, float]

STANDING: dict[str, Point] = {
    "nose": (50, 30), "left_shoulder": (70, 70), "right_shoulder": (30, 70), "left_elbow": (80, 110),
    "right_elbow": (20, 110), "left_wrist": (85, 150), "right_wrist": (15, 150), "left_hip": (65, 160),
    "right_hip": (35, 160), "left_knee": (65, 225), "right_knee": (35, 225), "left_ankle": (65, 290),
    "right_ankle": (35, 290),
}  # fmt: skip
"""The person faces the camera: their left is the picture's right."""


def box(*sides: float) -> Float:
    return np.array(sides, np.float32)


def face(x: float, y: float, size: float = 30, score: float = 0.9, nose_offset: float = 0.0) -> Face:
    """A face around (x, y); ``nose_offset`` turns it, in eye distances, to the picture's right."""
    landmarks = np.full((68, 2), (x, y), np.float32)
    for eye, side in ((slice(36, 42), -1), (slice(42, 48), 1)):
        landmarks[eye] = (x + side * size / 4, y - size / 8)
    landmarks[30] = (x + nose_offset * size / 2, y + size / 8)
    landmarks[48], landmarks[54] = (x - size / 5, y + size / 4), (x + size / 5, y + size / 4)
    return Face(box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), score, landmarks)


def pose(parts: Mapping[str, Point], x: float = 0, y: float = 0, scale: float = 1, score: float = 0.8) -> Pose:
    """Points at ``scale`` times ``parts`` from (x, y); what ``parts`` leaves out is not seen."""
    points = np.zeros((17, 3), np.float32)
    for name, (px, py) in parts.items():
        points[KEYPOINTS.index(name)] = (x + scale * px, y + scale * py, 0.9)
    return Pose(points, box(x, y, x + 100 * scale, y + 300 * scale), score)


def subject(x: float = 0, y: float = 0, scale: float = 1, **moved: Point) -> Subject:
    """A standing person with face and pose, upper left corner at (x, y); ``moved`` puts parts elsewhere in the body."""
    body = pose(STANDING | moved, x, y, scale)
    return Subject(body.box, 0.9, face(x + 50 * scale, y + 30 * scale, 30 * scale), body)


def answer(value: str, score: float = 0.9, model: str = "hand") -> Answer:
    return Answer(value=value, score=score, model=model)


def person(symbol: str, x: float = 0, **attributes: str | tuple[str, float]) -> Person:
    """A person of the story; attributes by value, or by (value, score)."""
    answers = {name: answer(*(value if isinstance(value, tuple) else (value,))) for name, value in attributes.items()}
    return Person(symbol=symbol, box=(x, 0, x + 100, 300), score=0.95, attributes=answers)


def thing(
    symbol: str, name: str, sides: tuple[float, float, float, float] = (0, 0, 10, 10), score: float = 0.8
) -> Thing:
    return Thing(symbol=symbol, box=sides, name=name, score=score)
