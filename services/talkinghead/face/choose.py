"""Which face of a portrait talks, and whether it can."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.common.errors import ProblemError
from services.common.faces.finder import Face
from services.talkinghead.face.square import FaceSquare, Floats

SMALLEST_SQUARE_PX: Final = 64
"""Edge of the face square below which lips are a handful of pixels; the square is 3.5 eye distances wide."""

SMALL_SQUARE_PX: Final = 128

MOST_TURNED: Final = 0.27
"""|turn| above which one half of the mouth is foreshortened too much to be moved credibly: about 35 degrees."""


def choose_face(faces: Sequence[Face], index: int | None) -> Face:
    """The face to animate, ``faces`` from left to right.

    Raises no_face, several_faces (no ``index``; the problem lists the boxes as ``faces``), invalid_request (no such
    index).
    """
    if not faces:
        raise ProblemError(
            "no_face", "portrait: no face was found; both eyes and the mouth must show", param="portrait"
        )
    if index is None and len(faces) > 1:
        raise ProblemError(
            "several_faces",
            f"portrait: {len(faces)} faces were found; say which with 'face', 0 (leftmost) to {len(faces) - 1}",
            param="face",
            faces=[[round(float(edge), 1) for edge in face.box] for face in faces],
        )
    if index is not None and index >= len(faces):
        raise ProblemError(
            "invalid_request",
            f"face: it is {index}, but the portrait has {len(faces)} face(s), counted from 0 at the left",
            param="face",
        )
    return faces[index or 0]


def check_size(square: FaceSquare) -> None:
    """Raises face_too_small."""
    if square.edge_px < SMALLEST_SQUARE_PX:
        raise ProblemError(
            "face_too_small",
            f"portrait: the face square is {square.edge_px:.0f} px wide; at least {SMALLEST_SQUARE_PX} px are needed",
            param="portrait",
        )


def face_warnings(landmarks: Floats, square: FaceSquare) -> list[str]:
    """What the caller should know about the chosen face."""
    found = []
    if square.edge_px < SMALL_SQUARE_PX:
        found.append(f"portrait: the face square is {square.edge_px:.0f} px wide; the mouth will lack detail")
    if abs(turn(landmarks)) > MOST_TURNED:
        found.append("portrait: the face is turned far to the side; its mouth may look wrong")
    return found


def turn(landmarks: Floats) -> float:
    """How far (68, 2) landmarks' nose tip (30) lies off the middle between the jaw's ends, over their distance.

    0 in front view, about 0.2 in a three-quarter view, 0.5 in profile; positive to the image's right.
    """
    across = landmarks[16] - landmarks[0]
    along = float((landmarks[30] - landmarks[0]) @ across / np.square(across).sum())
    return along - 0.5
