"""Which face of a portrait talks, and whether it can."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.common.faces.finder import Face
from services.talkinghead.face.covered import COVERED_PORTRAIT
from services.talkinghead.face.square import FaceSquare, Floats
from services.talkinghead.schemas import LARGEST, FaceChoice

SMALLEST_SQUARE_PX: Final = 64
"""Edge of the face square below which lips are a handful of pixels; the square is 3.5 eye distances wide."""

SMALL_SQUARE_PX: Final = 128

MOST_TURNED: Final = 0.27
"""|turn| above which one half of the mouth is foreshortened too much to be moved credibly: about 35 degrees."""


_IN_BOX: Final = 0.5
"""Of the smaller of the two, what a face and the box that chooses it share: a box may be drawn about the whole head,
or about eyes and mouth."""


def choose_face(faces: Sequence[Face], choice: FaceChoice | None) -> Face:
    """The face to animate, ``faces`` from left to right.

    Raises no_face, several_faces (no ``choice``), invalid_request (no such index, none in the box). Both last ones list
    the boxes as ``faces``.
    """
    if not faces:
        raise ProblemError(
            "no_face", "portrait: no face was found; both eyes and the mouth must show", param="portrait"
        )
    if choice is None and len(faces) > 1:
        raise ProblemError(
            "several_faces",
            f"portrait: {len(faces)} faces were found; say which with 'face': 0 (leftmost) to {len(faces) - 1}, "
            f"'{LARGEST}', or a box [x0, y0, x1, y1]",
            param="face",
            faces=_boxes(faces),
        )
    return pick_face(faces, 0 if choice is None else choice, "the portrait")


def pick_face(faces: Sequence[Face], choice: FaceChoice, where: str) -> Face:
    """One of the ``faces`` (at least one, from left to right) found in ``where``; raises invalid_request."""
    if choice == LARGEST:
        return max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])))
    if isinstance(choice, int):
        if choice < len(faces):
            return faces[choice]
        reason = f"it is {choice}, but {where} has {len(faces)} face(s), counted from 0 at the left"
    else:
        box = np.array(choice)
        within = [face for face in faces if _overlap(face.box, box)[0] >= _IN_BOX]
        if within:
            return max(within, key=lambda face: _overlap(face.box, box)[1])
        reason = f"none is in the box {list(choice)}; {where} has {len(faces)} face(s) at {_boxes(faces)}"
    raise ProblemError("invalid_request", f"face: {reason}", param="face", faces=_boxes(faces))


def _boxes(faces: Sequence[Face]) -> list[list[float]]:
    return [[round(float(edge), 1) for edge in face.box] for face in faces]


def _overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[float, float]:
    """What two boxes share, as part of the smaller one and of both together."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(max(width, 0) * max(height, 0))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (a, b)]
    return shared / max(min(areas), 1e-6), shared / max(sum(areas) - shared, 1e-6)


def check_size(square: FaceSquare) -> None:
    """Raises face_too_small."""
    if square.edge_px < SMALLEST_SQUARE_PX:
        raise ProblemError(
            "face_too_small",
            f"portrait: the face square is {square.edge_px:.0f} px wide; at least {SMALLEST_SQUARE_PX} px are needed",
            param="portrait",
        )


def face_warnings(landmarks: Floats, square: FaceSquare, mouth_doubt: float) -> list[str]:
    """What the caller should know about the chosen face; ``mouth_doubt`` is the landmarker's ``disagreement``."""
    found = []
    if square.edge_px < SMALL_SQUARE_PX:
        found.append(f"portrait: the face square is {square.edge_px:.0f} px wide; the mouth will lack detail")
    if abs(turn(landmarks)) > MOST_TURNED:
        found.append("portrait: the face is turned far to the side; its mouth may look wrong")
    if mouth_doubt > COVERED_PORTRAIT:
        found.append("portrait: something seems to be before the mouth; it may look wrong")
    return found


def turn(landmarks: Floats) -> float:
    """How far (68, 2) landmarks' nose tip (30) lies off the middle between the jaw's ends, over their distance.

    0 in front view, about 0.2 in a three-quarter view, 0.5 in profile; positive to the image's right.
    """
    across = landmarks[16] - landmarks[0]
    along = float((landmarks[30] - landmarks[0]) @ across / np.square(across).sum())
    return along - 0.5
