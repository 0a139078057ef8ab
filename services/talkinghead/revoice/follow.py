"""One person's face from frame to frame of a video."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.faces.finder import Face, FaceFinder
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.warp import Bytes
from services.talkinghead.face.choose import pick_face
from services.talkinghead.schemas import FaceChoice

_LOOK_AROUND: Final = 2.2
"""Edge of the part of the picture in which a face is looked for again, in edges of its box."""

_SAME_PLACE: Final = 0.6
"""A face whose centre is nearer to where it was last, in edges of its box, is the same one."""

_SAME_SIZE: Final = 1.6
"""And whose box has grown or shrunk by no more than this."""


class FaceFollower:
    """Give it the frames in their order. The person is chosen in the first frame that shows a face.

    A face that was lost is taken up again near the place where it was last seen, and anywhere (after a cut) where it is
    the only one in the picture.
    """

    def __init__(self, finder: FaceFinder, choice: FaceChoice) -> None:
        self._finder, self._choice = finder, choice
        self._last: Face | None = None
        self._seen = True

    def __call__(self, pixels: Bytes) -> Floats | None:
        """(H, W, 3) RGB -> (68, 2) landmarks in its pixels, or None. Raises invalid_request: no such face."""
        face = None
        if self._last is None:
            face = self._choose(self._finder.find(pixels))
        else:
            if self._seen:
                face = self._same(self._near(pixels, self._last))
            if face is None:
                faces = self._finder.find(pixels)
                face = self._same(faces) or (faces[0] if len(faces) == 1 else None)
        self._seen = face is not None
        self._last = face or self._last
        return face.landmarks if face else None

    def _choose(self, faces: list[Face]) -> Face | None:
        if not faces:
            return None
        return pick_face(faces, self._choice, "the first frame of the video that shows a face")

    def _near(self, pixels: Bytes, last: Face) -> list[Face]:
        """Faces around ``last``: the detector runs once on a part of the picture, not on the whole and its tiles."""
        centre, half = (last.box[:2] + last.box[2:]) / 2, _LOOK_AROUND * _edge(last.box) / 2
        x0, y0 = np.maximum(np.floor(centre - half), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(centre + half), pixels.shape[1::-1]).astype(int)
        offset = np.array([x0, y0], np.float32)
        found = self._finder.find(np.ascontiguousarray(pixels[y0:y1, x0:x1]), regions=())
        return [Face(face.box + np.tile(offset, 2), face.score, face.landmarks + offset) for face in found]

    def _same(self, faces: list[Face]) -> Face | None:
        last = self._last
        if last is None or not faces:
            return None
        nearest = min(faces, key=lambda face: _distance(face.box, last.box))
        ratio = _edge(nearest.box) / _edge(last.box)
        alike = _distance(nearest.box, last.box) < _SAME_PLACE * _edge(last.box) and 1 / _SAME_SIZE < ratio < _SAME_SIZE
        return nearest if alike else None


def _edge(box: NDArray[np.float32]) -> float:
    return float((box[2:] - box[:2]).max())


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.linalg.norm((a[:2] + a[2:] - b[:2] - b[2:]) / 2))
