"""Footage as the code of DiffTalk's release expects it, read once into a set.

A folder with `images/N_M.jpg` (frame M of person N at 25 fps, from 1 on), `landmarks/N_M.lms` (68 lines of x and y) and
`audio_smooth/N_M.npy` ((8, 16, 29) windows of DeepSpeech logits); `data_train.txt` and `data_test.txt`, there or one
folder above, list the frames of either part. It holds no sound, so sync cannot be judged and nothing is heard anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from services.common.errors import ProblemError
from services.talkinghead.difftalk.audio_encoder import features_of_windows
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage.clip import Clip, Floats, to_jpeg
from services.talkinghead.footage.keep import LONGEST, SHORTEST, TOO_SHORT
from services.talkinghead.footage.made import Account, Made
from services.talkinghead.footage.prepare import Piece
from services.talkinghead.footage.shard import Split
from services.talkinghead.footage.takes import TakesError, split_by_hash
from services.talkinghead.speech.actions import ACTIONS, FPS

_PARTS: Final = ("images", "landmarks", "audio_smooth")
_WINDOWS: Final = (8, 16, 29)


@dataclass(frozen=True)
class Frames:
    """Frames of one person."""

    folder: Path
    person: str
    numbers: Sequence[int]


def is_release(folder: Path) -> bool:
    """Are pictures, landmarks and audio windows of every frame beside each other?"""
    return all((folder / part).is_dir() for part in _PARTS)


def plan(folder: Path) -> list[Piece]:
    """One piece for each person. Raises TakesError: no frames, a file whose name is not N_M, a person in both parts."""
    frames: dict[str, list[int]] = {}
    for path in (folder / "images").glob("*.jpg"):
        person, number = _parsed(path, path.stem)
        frames.setdefault(person, []).append(number)
    if not frames:
        raise TakesError(f"videos: there is no N_M.jpg in {folder / 'images'}")
    parts = _listed_parts(folder)
    return [
        Piece(f"{folder.name}-{who}", parts.get(who) or split_by_hash(who), Frames(folder, who, sorted(numbers)))
        for who, numbers in sorted(frames.items())
    ]


def _listed_parts(folder: Path) -> dict[str, Split]:
    parts: dict[str, Split] = {}
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        for path in (folder / f"data_{split}.txt", folder.parent / f"data_{split}.txt"):
            for line in path.read_text(encoding="utf-8").split() if path.is_file() else ():
                person, _ = _parsed(path, line)
                if parts.setdefault(person, split) != split:
                    raise TakesError(f"{path}: person {person} is in the other part, too")
    return parts


def _parsed(path: Path, name: str) -> tuple[str, int]:
    person, _, number = name.rpartition("_")
    if not person or not number.isdigit():
        raise TakesError(f"{path}: {name!r} should be a person and a frame, such as 12_345")
    return person, int(number)


def make(frames: Frames, square_px: int) -> Made:
    """Clips of unbroken runs, cut anew to the face square."""
    source = f"{frames.folder.name}/{frames.person}"
    seen_s = len(frames.numbers) / FPS
    breaks = [n for n in range(1, len(frames.numbers)) if frames.numbers[n] != frames.numbers[n - 1] + 1]
    clips, short = [], 0
    try:
        for first, last in pairwise([0, *breaks, len(frames.numbers)]):
            if last - first < SHORTEST:
                short += last - first
                continue
            edges = np.linspace(first, last, -(-(last - first) // LONGEST) + 1).round().astype(int).tolist()
            clips += [_clip(frames, source, frames.numbers[a:b], square_px) for a, b in pairwise(edges)]
    except ProblemError as error:
        return Made([], Account("", source, frames.person, seen_s=seen_s, refused=error.detail))
    left_out = {TOO_SHORT: short / FPS} if short else {}
    kept_s = seen_s - short / FPS
    return Made(clips, Account("", source, frames.person, seen_s=seen_s, kept_s=kept_s, left_out_s=left_out))


def _clip(frames: Frames, source: str, numbers: Sequence[int], square_px: int) -> Clip:
    pictures, landmarks, windows = [], [], []
    for number in numbers:
        name = f"{frames.person}_{number}"
        points = _landmarks(frames.folder / "landmarks" / f"{name}.lms")
        square = FaceSquare.of(points)
        pictures.append(to_jpeg(square.cut(_picture(frames.folder / "images" / f"{name}.jpg"), square_px)))
        landmarks.append(square.to_square(points, square_px))
        windows.append(_windows(frames.folder / "audio_smooth" / f"{name}.npy"))
    count = len(numbers)
    return Clip(
        name=f"{frames.folder.name}-{frames.person}-{numbers[0]:06d}",
        identity=frames.person,
        source=source,
        start_s=(numbers[0] - 1) / FPS,
        square_px=square_px,
        pictures=pictures,
        landmarks=np.stack(landmarks),
        places=np.arange(count),
        wave=np.zeros(0, np.int16),
        actions=np.zeros((0, len(ACTIONS)), np.float32),
        loudness=np.zeros(0, np.float32),
        features=features_of_windows(np.stack(windows)),
    )


def _picture(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ProblemError("unsupported_media", f"{path}: it is no picture that can be read", param="videos")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def _landmarks(path: Path) -> Floats:
    try:
        points = np.loadtxt(path, dtype=np.float32)
    except (OSError, ValueError) as error:
        raise ProblemError("unsupported_media", f"{path}: no landmarks can be read ({error})", param="videos") from None
    if points.shape != (68, 2):
        raise ProblemError("unsupported_media", f"{path}: it holds {points.shape}, not 68 lines of x y", param="videos")
    return points


def _windows(path: Path) -> Floats:
    try:
        windows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ProblemError("unsupported_media", f"{path}: no windows can be read ({error})", param="videos") from None
    if windows.shape != _WINDOWS:
        raise ProblemError("unsupported_media", f"{path}: it holds {windows.shape}, not {_WINDOWS}", param="videos")
    return np.asarray(windows, np.float32)
