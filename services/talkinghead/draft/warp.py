"""The geometric draft: a portrait's lower face bent so that its landmarks reach their targets.

Two thin-plate splines (Bookstein, 1989) carry the skin, one above and one below the line between the lips, so that a
lip moves as a whole and its inner edge stays sharp. Behind the skin lies the mouth: teeth that the portrait shows stay
where the skull holds them, the rest is dark. Nose and eyes are anchors; away from the jaw the motion fades to nothing.

Lengths inside this file are in units of the 128 px face square (``SQUARE``), whatever the size of the picture.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats, LipCurves, MouthAxes, close_seam, lip_heights, standing_open

Bytes = NDArray[np.uint8]

SQUARE: Final = 128.0
TOP: Final = 56.0
"""Nothing above this height of the square moves: it lies between the eyes (46) and the nose base (74)."""

_JAW: Final = list(range(17))
_STILL: Final = [*range(27, 48)]  # nose and eyes
_UPPER: Final = [*_JAW, *_STILL, *range(48, 55), 60, 61, 62, 63, 64]
_LOWER: Final = [*_JAW, *_STILL, 48, *range(54, 61), 64, 65, 66, 67]

_GRID: Final = 2.0  # splines are evaluated on this pitch and interpolated: error below 0.05
_STILL_PX: Final = 1e-4  # what moves less is taken as it is: a resampler may round where it need not
_FADE_IN: Final = 22.0  # from TOP down to full motion: nose base at 74, upper lip near 84
_FADE_OUT: Final = 20.0  # from the jaw outwards: twice the widest jaw drop, so that the neck never folds
_BORDER: Final = 8.0
_SMOOTHING: Final = 0.05
_EDGE: Final = 0.9  # width of the soft inner edge of a lip
_LIP_DEPTHS: Final = np.array([0.2, 0.35], np.float32)
"""Of a lip's height, how deep within the upper and the lower one skin is taken where parted lips are brought together.
Landmarks 65 to 67 lie on the teeth, up to a quarter of the lip above its edge; 61 to 63 lie on the edge."""
_SEAM_SHADE: Final = 0.35
"""By how much the line is darker along which parted lips meet: by eye."""
_DEEP_BY: Final = 4.0
"""Lips are taken from their full depth once a mouth closes by a quarter: teeth stand on the brink before it is shut."""
_DARK: Final = 0.22  # the mouth's inside against the lips' own colour


@dataclass(frozen=True)
class Motion:
    """How one frame's lower face moves; it serves any size of the square."""

    upper: Floats  # (rows, columns, 2) from a place in the frame back to its place in the portrait, above the mouth
    lower: Floats  # the same below the mouth
    lips: LipCurves  # of the target


class PortraitWarp:
    """All that is the same for every frame of one portrait."""

    def __init__(self, square: Bytes, landmarks: Floats) -> None:
        """``square`` (S, S, 3) RGB and its (68, 2) landmarks in its pixels, whose centres are the integers."""
        self._scale = square.shape[0] / SQUARE
        raw = _to_units(landmarks, self._scale)
        self.source = close_seam(raw)
        self.axes = MouthAxes.of(self.source)
        self._raw = raw
        self._shows_mouth = standing_open(raw)
        self._source_lips = LipCurves.through(self.source, self.axes)
        self._brink = LipCurves.through(_to_outer_corners(self.source), self.axes)
        self._lip_depths = _LIP_DEPTHS * lip_heights(self.source)
        self._dark = _mouth_colour(square, landmarks)

    def motion(self, target: Floats) -> Motion | None:
        """(68, 2) target landmarks in the pixels of the square given at first -> motion; None where nothing moves."""
        shift = _to_units(target, self._scale) - self._raw
        shift[_STILL] = 0
        if not shift.any():
            return None
        target = self.source + shift
        fade = _fade(target)[..., None]
        upper, lower = (_spline(target[part], -shift[part]) * fade for part in (_UPPER, _LOWER))
        return Motion(upper, lower, LipCurves.through(target, self.axes))

    def draw(self, picture: Bytes, canvas: "Canvas", motion: Motion | None) -> Bytes:
        """The frame: ``picture`` (H, W, 3), the portrait or its square, bent by ``motion`` within ``canvas``."""
        frame = picture.copy()
        if motion is None:
            return frame
        mouth = self.axes.to_mouth(canvas.places)
        upper, lower = self._ways_back(canvas, motion, mouth)
        above = _above(mouth, motion.lips)[..., None]
        x, y = canvas.sources(lower + above * (upper - lower))
        skin = _taken(picture, x, y)
        seam = (above[..., 0] > 0) & (above[..., 0] < 1) & (motion.lips.within(mouth[..., 0]) > 0)
        if self._shows_mouth > 0 and seam.any():
            # half way between two lips that were parted lies the mouth: here colours are mixed and not places
            ends = [_taken(picture, *(place[seam] for place in canvas.sources(way))) for way in (upper, lower)]
            share = above[seam]
            along = mouth[seam][:, 0]
            closed = self._closing(along, motion.lips) * motion.lips.within(along)
            shade = 1 - _SEAM_SHADE * closed[:, None] * (4 * share * (1 - share))
            met = shade * (ends[1] + share * (ends[0].astype(np.float32) - ends[1]))
            skin[seam] = np.rint(skin[seam] + self._shows_mouth * (met - skin[seam])).astype(np.uint8)
        region = frame[canvas.rows, canvas.columns]
        moved = np.maximum(np.abs(x - canvas.x), np.abs(y - canvas.y)) > _STILL_PX
        region[moved] = skin[moved]
        self._open_mouth(region, picture[canvas.rows, canvas.columns], canvas, motion.lips)
        return frame

    def unseen(self, size: int, motion: Motion) -> Floats:
        """(size, size) of the face square: how much of each pixel is mouth that the portrait does not show."""
        canvas = _square_canvas(size)
        hole, shown = self._mouth(canvas, motion.lips)
        unseen = np.zeros((size, size), np.float32)
        unseen[canvas.rows, canvas.columns] = hole * (1 - shown)
        return unseen

    def _ways_back(self, canvas: "Canvas", motion: Motion, mouth: Floats) -> tuple[Floats, Floats]:
        """(h, w, 2) in units, above and below the mouth: from each pixel of the canvas to its place in the portrait."""
        upper, lower = canvas.sample(motion.upper), canvas.sample(motion.lower)
        if self._shows_mouth > 0:
            # skin that a spline takes from between parted lips would carry teeth along; landmarks lie on their brink,
            # so that the further the mouth closes, the deeper within the lip the skin is taken
            closing = self._closing(mouth[..., 0], motion.lips)
            upper += self._onto_lip(canvas.places + upper, closing, 0)
            lower += self._onto_lip(canvas.places + lower, closing, 1)
        return upper, lower

    def _closing(self, along: Floats, lips: LipCurves) -> Floats:
        """0 where ``lips`` are as far apart as the portrait's or further, 1 where they meet, along the mouth."""
        opening, wanted = (np.subtract(*curves.at(along)[::-1]) for curves in (self._brink, lips))
        return np.asarray(np.clip(1 - wanted / np.maximum(opening, 1e-3), 0, 1), np.float32)

    def _onto_lip(self, places: Floats, closing: Floats, lip: int) -> Floats:
        """(h, w, 2) in units from ``places`` that the portrait's open mouth shows to the upper (0) or lower (1) lip."""
        along, below = np.moveaxis(self.axes.to_mouth(places), -1, 0)
        edge, away = self._brink.at(along)[lip], 2 * lip - 1
        within = self._brink.within(along)
        inside = away * (below - edge)  # how deep in the lip, negative in the mouth
        depth = self._lip_depths[lip] * np.minimum(_DEEP_BY * closing, 1) * within
        step = np.maximum(depth + np.maximum(inside, 0) * 2 / 3 - inside, 0)  # the lip is squeezed, none of it lost
        return np.asarray((self._shows_mouth * (within > 0) * away * step)[..., None] * self.axes.down, np.float32)

    def _open_mouth(self, region: Bytes, portrait: Bytes, canvas: "Canvas", lips: LipCurves) -> None:
        """Paint what lies behind the lips: the portrait's own teeth where it shows them, else dark."""
        hole, shown = self._mouth(canvas, lips)
        inside = hole > 0
        behind = self._dark + shown[inside][:, None] * (portrait[inside] - self._dark)
        skin = region[inside].astype(np.float32)
        region[inside] = np.rint(skin + hole[inside][:, None] * (behind - skin)).astype(np.uint8)

    def _mouth(self, canvas: "Canvas", lips: LipCurves) -> tuple[Floats, Floats]:
        """(h, w) how far each pixel lies between ``lips``, and how much of it the portrait itself shows there."""
        mouth = self.axes.to_mouth(canvas.places)
        shown = self._shows_mouth * self._source_lips.coverage(mouth, _EDGE)
        return lips.coverage(mouth, _EDGE), np.asarray(shown, np.float32)


@dataclass(frozen=True)
class Canvas:
    """The part of a picture that holds the lower half of the face square, and where each pixel lies in the square."""

    rows: slice
    columns: slice
    x: Floats  # (h, w) the pixels' own coordinates in the picture
    y: Floats
    places: Floats  # (h, w, 2) in units of the square
    from_units: Floats  # (2, 2) turns a shift in units into one in pixels

    @classmethod
    def of_square(cls, size: int) -> Self:
        """A picture that is the face square itself, ``size`` pixels an edge."""
        half_pixel = 0.5 * SQUARE / size - 0.5
        matrix = np.array([[SQUARE / size, 0, half_pixel], [0, SQUARE / size, half_pixel]])
        return cls.of_picture((size, size), matrix)

    @classmethod
    def of_picture(cls, shape: tuple[int, ...], matrix: NDArray[np.float64]) -> Self:
        """A picture (height, width, ...) in which ``matrix`` (2, 3) leads from pixels to the 128 px face square."""
        linear, offset = matrix[:, :2], matrix[:, 2] + 0.5  # units have their origin at the square's corner
        back = np.linalg.inv(linear)
        corners = np.array([[0, TOP], [SQUARE, TOP], [SQUARE, SQUARE], [0, SQUARE]])
        reach = (corners - offset) @ back.T
        left, top = np.maximum(np.floor(reach.min(0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(reach.max(0)) + 1, [shape[1], shape[0]]).astype(int)
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        places = np.stack([x, y], -1) @ linear.T + offset
        return cls(slice(top, bottom), slice(left, right), x, y, places.astype(np.float32), back.astype(np.float32))

    def sample(self, field: Floats) -> Floats:
        """A field on the splines' grid -> (h, w, 2) at the canvas's pixels."""
        cells = (self.places - np.array([0, TOP], np.float32)) / _GRID - 0.5
        return np.asarray(
            cv2.remap(field, cells[..., 0], cells[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.float32
        )

    def sources(self, shift: Floats) -> tuple[Floats, Floats]:
        """(h, w, 2) shift in units -> where in the picture each pixel is taken from, x and y."""
        pixels = shift @ self.from_units.T
        return self.x + pixels[..., 0], self.y + pixels[..., 1]


def warp_square(square: Bytes, source: Floats, target: Floats) -> Bytes:
    """Bend the lower face of ``square`` so that ``source`` landmarks reach ``target``; the opened mouth is filled.

    ``square`` (S, S, 3) RGB at any S; ``source`` and ``target`` (68, 2) in its pixels, whose centres are
    the integers. Nose and eyes are held: their targets are not looked at. Equal landmarks give an equal picture.
    """
    portrait = PortraitWarp(square, source)
    return portrait.draw(square, _square_canvas(square.shape[0]), portrait.motion(target))


def _taken(picture: Bytes, x: Floats, y: Floats) -> Bytes:
    """(..., 3): the picture at places (...), sharp between pixels; beyond its edge its last pixels are repeated."""
    taken = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken.reshape(*x.shape, 3), np.uint8)


def _to_outer_corners(landmarks: Floats) -> Floats:
    """(68, 2) with the corners of the inner lips at those of the outer ones, between which all dark of a mouth lies."""
    reaching = landmarks.copy()
    reaching[[60, 64]] = landmarks[[48, 54]]
    return reaching


def _to_units(landmarks: Floats, scale: float) -> Floats:
    return ((np.asarray(landmarks, np.float32) + 0.5) / scale).astype(np.float32)


@lru_cache(maxsize=4)
def _square_canvas(size: int) -> Canvas:
    return Canvas.of_square(size)


@lru_cache(maxsize=1)
def _grid() -> Floats:
    """Where splines are evaluated: (rows, columns, 2) cell centres from TOP to the bottom."""
    y, x = np.mgrid[TOP:SQUARE:_GRID, 0:SQUARE:_GRID].astype(np.float32)
    return np.stack([x, y], -1) + np.float32(_GRID / 2)


def _spline(centres: Floats, values: Floats) -> Floats:
    """The thin-plate spline through (n, 2) ``values`` at (n, 2) ``centres``, on the grid.

    f(x) = a + A x + sum_i w_i U(|x - c_i|), U(r) = r^2 log r^2; the weights solve [[K + s I, P], [P', 0]].
    """
    n = len(centres)
    middle, spread = centres.mean(0), np.float32(32)
    c = (centres - middle) / spread
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(c, c) + _SMOOTHING / spread * np.eye(n)
    system[:n, n], system[:n, n + 1 :] = 1, c
    system[n:, :n] = system[:n, n:].T
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, 2))])).astype(np.float32)
    grid = _grid()
    places = (grid.reshape(-1, 2) - middle) / spread
    field = _kernel(places, c) @ weights[:n] + weights[n] + places @ weights[n + 1 :]
    return np.asarray(field.reshape(grid.shape), np.float32)


def _kernel(a: Floats, b: Floats) -> Floats:
    squared = ((a * a).sum(-1)[:, None] + (b * b).sum(-1) - 2 * a @ b.T).clip(1e-12)
    return np.asarray(squared * np.log(squared), np.float32)


def _fade(target: Floats) -> Floats:
    """1 in the lower face, down to 0 at the height of the nose, outside the jaw and at the edge of the square."""
    grid = _grid()
    x, y = grid[..., 0], grid[..., 1]
    jaw = target[_JAW]
    closed = np.concatenate([[[jaw[0, 0], 0]], jaw, [[jaw[-1, 0], 0]]])
    canvas = np.full((int(SQUARE), int(SQUARE)), 255, np.uint8)
    cv2.fillPoly(canvas, [np.rint((closed - 0.5) * 16).astype(np.int32)], 0, shift=4)
    outside = cv2.distanceTransform(canvas, cv2.DIST_L2, 5)
    rows, columns = y[:, 0].astype(int), x[0].astype(int)
    away = _smooth(1 - outside[np.ix_(rows, columns)] / _FADE_OUT)
    edge = np.minimum.reduce([x, SQUARE - x, SQUARE - y]) - _GRID / 2  # 0 in the outermost cells
    return (_smooth((y - TOP) / _FADE_IN) * away * _smooth(edge / _BORDER)).astype(np.float32)


def _above(mouth: Floats, lips: LipCurves) -> Floats:
    """1 above the line between the lips, 0 below it; sharp between the corners, wider and wider outside them."""
    upper, lower = lips.at(mouth[..., 0])
    beyond = np.maximum(lips.along[0] - mouth[..., 0], mouth[..., 0] - lips.along[-1]).clip(0)
    return _smooth(0.5 - (mouth[..., 1] - (upper + lower) / 2) / (1.0 + 1.5 * beyond))


def _smooth(x: Floats) -> Floats:
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _mouth_colour(square: Bytes, landmarks: Floats) -> Floats:
    """(3,) the dark of the mouth: the colour of this portrait's own lips in deep shade, so that it fits any light."""
    size = square.shape[0]
    lips = np.concatenate([landmarks[48:60]]).round().astype(np.int32)
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [lips], 1)
    cv2.fillPoly(canvas, [landmarks[60:68].round().astype(np.int32)], 0)
    colour = square[canvas > 0].mean(0) if canvas.any() else np.array([160.0, 90.0, 90.0])
    return (colour * _DARK).astype(np.float32)
