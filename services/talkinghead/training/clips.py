"""The clips of a set as training draws them: any number of times, the same for the same number."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray

from services.common.faces.landmarks import MIRRORED
from services.talkinghead.difftalk.audio_encoder import actions_as_features
from services.talkinghead.difftalk.configuration import SpeechFeatures
from services.talkinghead.draft.motion import smooth_actions
from services.talkinghead.footage.shard import Footage, FootageError, Split, StoredClip
from services.talkinghead.training.errors import TrainError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Places = NDArray[np.int64]

_CONTRAST: Final = 0.2
_LIGHT: Final = 0.12
_TINT: Final = 0.06
_HEARD_CLIPS: Final = 256
_SAMPLE_SCALE: Final = np.float32(1 / 32767)


class DrawnClips:
    """Clips with so many pictures in a row, each as often as it has such rows."""

    def __init__(self, data: Path, split: Split, *, square_px: int, in_a_row: int) -> None:
        try:
            clips: list[StoredClip] = list(Footage(data, split))
        except FootageError as error:
            raise TrainError(f"data: {error}") from None
        self.clips, self._rows, counts = [], [], []
        for clip in clips:
            if clip.square_px != square_px:
                raise TrainError(
                    f"data: {clip.name} has face squares of {clip.square_px} px, the model takes {square_px}; "
                    f"prepare the set with --square-px {square_px}"
                )
            rows = first_of_rows(clip.places, in_a_row)
            if len(rows) and len(clip) > in_a_row:
                self.clips.append(clip)
                self._rows.append(rows)
                counts.append(len(rows))
        if not self.clips:
            raise TrainError(f"data: no clip in {data / split} has more than {in_a_row} pictures and those in a row")
        self._in_a_row = in_a_row
        self._ends = np.cumsum(counts)

    def rows_of(self, clip: StoredClip) -> Places:
        """Which of the clip's pictures begin such a row."""
        return first_of_rows(clip.places, self._in_a_row)

    def draw(self, rng: np.random.Generator) -> tuple[StoredClip, Places]:
        """A clip, and which of its pictures (n,) in a row."""
        which = int(np.searchsorted(self._ends, rng.integers(self._ends[-1]), side="right"))
        rows = self._rows[which]
        return self.clips[which], int(rng.choice(rows)) + np.arange(self._in_a_row)


class Parts(NamedTuple):
    """Of a set: people to learn from, and people whom training never sees."""

    train: DrawnClips
    test: DrawnClips

    @classmethod
    def of(cls, data: Path, *, square_px: int, in_a_row: int) -> Self:
        """Raises TrainError."""
        return cls(*(DrawnClips(data, part, square_px=square_px, in_a_row=in_a_row) for part in get_args(Split)))


def first_of_rows(places: Places, count: int) -> Places:
    """Which of the pictures at ``places`` (N,), rising, begin a row of ``count`` without a gap."""
    if len(places) < count:
        return np.zeros(0, np.int64)
    return np.flatnonzero(places[count - 1 :] - places[: len(places) - count + 1] == count - 1)


def heard(clip: StoredClip, kind: SpeechFeatures) -> Floats:
    """(2 T, C) what a model of this kind hears in a clip. Raises TrainError: the set does not hold it."""
    try:
        return _calm_actions(clip) if kind == "actions" else clip.features
    except KeyError:
        raise TrainError(
            f"data: {clip.name} holds no {kind} features; prepare the set with --speech-features {kind}"
        ) from None


@lru_cache(_HEARD_CLIPS)
def _calm_actions(clip: StoredClip) -> Floats:
    """As the service gives them to the model, see `speech.features.actions`."""
    actions = clip.actions
    if not len(actions):
        raise KeyError("actions")
    return actions_as_features(smooth_actions(actions))


def wave_of(clip: StoredClip) -> Floats:
    """(640 T,) in [-1, 1]. Raises TrainError: the clip has no sound."""
    wave = clip.wave
    if not len(wave):
        raise TrainError(
            f"data: {clip.name} holds no sound (a folder of DiffTalk's release brings none), and the sync expert needs "
            "it; say denoiser.sync_weight: 0"
        )
    return np.asarray(wave * _SAMPLE_SCALE, np.float32)


class Change:
    """One change of light, colours and side, for all pictures of an example."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._contrast = np.float32(1 + _CONTRAST * rng.standard_normal())
        tint = _LIGHT * rng.standard_normal() + _TINT * rng.standard_normal((3, 1, 1))
        self._shift = tint.astype(np.float32)
        self._mirrored = bool(rng.random() < 0.5)

    def pictures(self, images: Floats) -> Floats:
        """(..., 3, h, w) in [-1, 1]."""
        changed = np.clip(images * self._contrast + self._shift, -1, 1)
        return np.ascontiguousarray(changed[..., ::-1] if self._mirrored else changed)

    def landmarks(self, points: Floats, square_px: int) -> Floats:
        """(..., 68, 2) in pixels of the square."""
        if not self._mirrored:
            return points
        changed = points[..., MIRRORED, :].copy()
        changed[..., 0] = square_px - 1 - changed[..., 0]
        return changed


def in_model_range(pixels: Bytes) -> Floats:
    """(..., h, w, 3) -> (..., 3, h, w) in [-1, 1]."""
    return np.moveaxis(pixels, -1, -3).astype(np.float32) / np.float32(127.5) - 1


def rng_of(*numbers: int) -> np.random.Generator:
    """Every example has random numbers of its own, told by what it is: a resumed run draws what an unbroken one had."""
    return np.random.default_rng(numbers)


Item = dict[str, Any]
"""One example: arrays and numbers by name."""
