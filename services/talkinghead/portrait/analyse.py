"""What is found out once about a still portrait."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.talkinghead.alive.blink import Eyelid, eyelids
from services.talkinghead.alive.sway import HeadSway
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.warp import Bytes, Canvas, PortraitWarp
from services.talkinghead.face.choose import check_size, choose_face, face_warnings
from services.talkinghead.face.covered import disagreement
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.models import Models
from services.talkinghead.paste import light_of
from services.talkinghead.schemas import FaceChoice
from services.talkinghead.video.encode import even_size

MAX_PORTRAIT_PIXELS: Final = 25_000_000
MAX_PORTRAIT_EDGE_PX: Final = 8192
"""What H.264 level 6.2 can hold."""


@dataclass(frozen=True)
class Portrait:
    """All that is found out once about a portrait."""

    pixels: Bytes  # (H, W, 3) RGB, upright
    face_box: tuple[float, float, float, float]
    square: FaceSquare
    face: Bytes  # (S, S, 3), the face square at the model's size
    landmarks: Floats  # (68, 2) in the 128 px face square
    warp: PortraitWarp
    canvas: Canvas
    lids: list[Eyelid]
    sway: HeadSway
    latents: SourceLatents
    light: Floats  # (3,) gains for what the model paints
    warnings: list[str]


class Portraits:
    """Analysed portraits; the last few are remembered by their content."""

    def __init__(self, models: Models, kept: int) -> None:
        self._models, self._kept = models, kept
        self._known: OrderedDict[tuple[str, FaceChoice | None], Portrait] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, data: bytes, face: FaceChoice | None) -> Portrait:
        """The portrait of an encoded image; the errors are those of ``PortraitReport``."""
        key = (hashlib.sha256(data).hexdigest(), face)
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = analyse(data, face, self._models)
        with self._lock:
            self._known[key] = found
            self._known.move_to_end(key)
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return found

    def forget(self, sha256: str) -> None:
        """Drop what is known of the image with this SHA-256."""
        with self._lock:
            for key in [key for key in self._known if key[0] == sha256]:
                del self._known[key]


def analyse(data: bytes, face: FaceChoice | None, models: Models) -> Portrait:
    """Decode an encoded image, choose its face and prepare all that its frames share."""
    picture = read_picture(data, max_pixels=MAX_PORTRAIT_PIXELS, param="portrait")
    pixels, warnings = picture.pixels, list(picture.warnings)
    height, width = pixels.shape[:2]
    if max(height, width) > MAX_PORTRAIT_EDGE_PX:
        raise ProblemError(
            "too_large",
            f"portrait: {width} x {height} px; a video's edge is at most {MAX_PORTRAIT_EDGE_PX} px",
            param="portrait",
        )
    if (height, width) != even_size(height, width):
        warnings.append("portrait: H.264 needs even edges; the last row or column is doubled")
    chosen = choose_face(models.faces.find(pixels), face)
    square = FaceSquare.of(chosen.landmarks)
    check_size(square)
    face_square = square.cut(pixels, models.difftalk.configuration.square_px)
    small, landmarks = square.cut(pixels), square.to_square(chosen.landmarks)
    doubt = disagreement(models.faces.landmarker, pixels, chosen.landmarks)
    x0, y0, x1, y1 = (round(float(edge), 1) for edge in chosen.box)
    return Portrait(
        pixels=pixels,
        face_box=(x0, y0, x1, y1),
        square=square,
        face=face_square,
        landmarks=landmarks,
        warp=PortraitWarp(small, landmarks),
        canvas=Canvas.of_picture(pixels.shape, square.matrix),
        lids=eyelids(chosen.landmarks, pixels.shape),
        sway=HeadSway.of(square, pixels.shape),
        latents=models.difftalk.encode_source(face_square, landmarks),
        light=light_of(small),
        warnings=warnings + face_warnings(chosen.landmarks, square, doubt),
    )
