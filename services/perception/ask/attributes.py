"""Answers about one person: age, gender, expression and gaze from the face, posture from the pose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.common.faces import Face
from services.common.faces.crops import square_crop
from services.common.faces.landmarks import eye_centres, upright_square
from services.common.onnx_model import Float, OnnxModel
from services.perception.detect.pose import Pose
from services.perception.schemas import Answer

RULES: Final = "rules"
"""The "model" of answers that are computed from points and pixels by rule."""

_FACE_PX, _SECOND_PX = 112, 224
_FACE_MARGIN, _SECOND_MARGIN, _SECOND_LIFT = 1.25, 1.3, 0.1
_FIRST_WEIGHT: Final = 0.6
"""Of the first age model; it tells the old from the young better, the second one is steadier among young adults."""

_SMALL_FACE_PX: Final = 48
_EXPRESSIONS: Final = ("neutral", "smiling", "sad", "angry", "fearful", "disgusted", "surprised")
_TURNED_TRUST: Final = 0.5
_CUT: Final = 0.05
"""Of a face's width, from the photo's edge."""

_TURNED: Final = 0.22
"""Offset of the nose tip from the middle of the eyes, in eye distances, from which a head counts as turned."""


@dataclass(frozen=True)
class FaceModels:
    """Models that answer for one face, with the names under which they answer."""

    age_gender: OnnxModel
    age_gender_second: OnnxModel
    expression: OnnxModel


def face_answers(models: FaceModels, pixels: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[dict[str, Answer]]:
    """``age`` (years), ``gender`` (male, female), ``expression`` and ``gaze`` (camera, left, right) of each face.

    Each model is called once for all of them.
    """
    if not faces:
        return []
    crops = [_crops(pixels, face) for face in faces]
    close = np.stack([crop.close for crop in crops]).astype(np.float32)
    wide = np.stack([crop.wide for crop in crops]).astype(np.float32)
    first, second, expressions = models.age_gender(close), models.age_gender_second(wide), models.expression(close)
    answers = []
    for index, (face, crop) in enumerate(zip(faces, crops, strict=True)):
        expression, gaze = expressions["expression"][index], _gaze(face.landmarks)
        name = _EXPRESSIONS[int(expression.argmax())]
        # The network knows faces from the front: it calls a cameraman at work, seen from the side, angry at 0.99.
        trust = 1.0 if name == "smiling" or gaze.value == "camera" else _TURNED_TRUST
        second_age = float(second["age"][index] @ np.arange(100))
        answers.append(
            {
                "age": _age(float(first["age"][index, 0]), second_age, crop.sharpness),
                "gender": _gender(float(first["gender"][index, 0]), float(second["male"][index, 0]), crop.sharpness),
                "expression": Answer(
                    value=name,
                    score=round(float(expression.max()) * crop.sharpness * trust, 3),
                    model="face-api expression",
                ),
                **({} if _is_cut(face, pixels) else {"gaze": gaze}),
            }
        )
    return answers


def _is_cut(face: Face, pixels: npt.NDArray[np.uint8]) -> bool:
    """Does the photo end within the face? Then half of its points are guesses, and so is where it looks."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = face.box
    margin = _CUT * (x1 - x0)
    return bool(x0 < margin or y0 < 0 or x1 > width - margin or y1 > height)


@dataclass(frozen=True)
class _Crops:
    """``close`` (112, 112, 3) and ``wide`` (224, 224, 3) uint8; ``sharpness`` 0..1 grows with the face in the photo."""

    close: npt.NDArray[np.uint8]
    wide: npt.NDArray[np.uint8]
    sharpness: float


def _crops(pixels: npt.NDArray[np.uint8], face: Face) -> _Crops:
    centre, side, angle = upright_square(face.landmarks)
    up = np.array([np.sin(angle), -np.cos(angle)], np.float32)
    lifted = centre + up * _SECOND_LIFT * side
    return _Crops(
        square_crop(pixels, centre, side * _FACE_MARGIN, _FACE_PX, angle).pixels,
        square_crop(pixels, lifted, side * _SECOND_MARGIN, _SECOND_PX, angle).pixels,
        min(1.0, side / _SMALL_FACE_PX),
    )


def _age(first: float, second: float, sharp: float) -> Answer:
    """Weighted mean; the further the two disagree, the less sure."""
    years = _FIRST_WEIGHT * first + (1 - _FIRST_WEIGHT) * second
    agreement = float(np.clip(1 - abs(first - second) / 40, 0.2, 0.95))
    return Answer(value=str(round(years)), score=round(agreement * sharp, 3), model="face-api age, faceres")


def _gender(first_male: float, second_male: float, sharp: float) -> Answer:
    male = (first_male + second_male) / 2
    score = 0.5 + abs(male - 0.5) * sharp
    return Answer(value="male" if male >= 0.5 else "female", score=round(score, 3), model="face-api gender, faceres")


def _gaze(landmarks: Float) -> Answer:
    """Where the head points, as seen in the picture: ``left`` is the picture's left."""
    left, right = eye_centres(landmarks)
    across = right - left
    offset = float((landmarks[30] - (left + right) / 2) @ across / max(float(across @ across), 1e-6))
    sure = float(np.clip(0.6 + abs(abs(offset) - _TURNED), 0.6, 0.9))
    value = "camera" if abs(offset) < _TURNED else ("left" if offset < 0 else "right")
    return Answer(value=value, score=round(sure, 3), model=RULES)


def posture_answer(pose: Pose) -> Answer | None:
    """``standing`` or ``sitting``, where hips, knees and ankles show it; None where they do not."""
    votes = [vote for side in ("left", "right") if (vote := _leg_vote(pose, side)) is not None]
    if not votes or len(set(votes)) > 1:
        return None
    return Answer(value=votes[0], score=0.6 + 0.15 * len(votes), model=RULES)


def _leg_vote(pose: Pose, side: str) -> str | None:
    shoulder, hip, knee = (pose.point(f"{side}_{joint}") for joint in ("shoulder", "hip", "knee"))
    if shoulder is None or hip is None or knee is None:
        return None
    torso, drop = hip[1] - shoulder[1], knee[1] - hip[1]
    if torso <= 0:
        return None
    ankle = pose.point(f"{side}_ankle")
    if drop > 0.65 * torso and (ankle is None or ankle[1] - knee[1] > 0.5 * torso):
        return "standing"
    return "sitting" if drop < 0.45 * torso else None


def mean_point(points: Sequence[Float | None]) -> Float | None:
    """Mean of those that are seen, None where none is."""
    seen = [point for point in points if point is not None]
    return np.mean(seen, axis=0).astype(np.float32) if seen else None
