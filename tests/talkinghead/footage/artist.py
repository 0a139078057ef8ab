"""What draws clips in worker processes: it imports little, so that they start at once."""

import os
import resource
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from services.talkinghead.footage.clip import Clip, to_jpeg
from services.talkinghead.footage.made import Account, Made

FRAMES = 4


def draw_clip(name: str, identity: str) -> Clip:
    """A pale square whose mouth opens from picture to picture, with white teeth in it."""
    rng = np.random.default_rng(len(name))
    pictures, landmarks = [], np.zeros((FRAMES, 68, 2), np.float32)
    for number in range(FRAMES):
        square = (200 + rng.integers(0, 9, (128, 128, 3))).astype(np.uint8)
        cv2.rectangle(square, (54, 84), (74, 84 + 8 * number), (255, 255, 255), -1)
        pictures.append(to_jpeg(square))
        landmarks[number, 66, 1] = 8 * number
    wave = np.zeros(640 * FRAMES, np.int16)
    actions, loudness = np.zeros((FRAMES, 11), np.float32), np.zeros(FRAMES, np.float32)
    return Clip(name, identity, "drawn", 0.0, 128, pictures, landmarks, np.arange(FRAMES), wave, actions, loudness)


def draw(number: int) -> Made:
    """Piece 2 cannot be used; the others give two clips of one person."""
    if number == 2:
        return Made([], Account("", "two.mp4", "two", refused="two.mp4: the video has no sound"))
    clips = [draw_clip(f"{number}-{n}", f"person {number}") for n in range(2)]
    account = Account("", f"{number}.mp4", f"person {number}", seen_s=5.0, kept_s=4.0, left_out_s={"a cut": 1.0})
    return Made(clips, account)


def load_artist() -> Callable[[int], Made]:
    return draw


def _die_once(marker: Path, number: int) -> Made:
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(number)


def load_mortal(marker: Path) -> Callable[[int], Made]:
    """Its process dies over piece 3, the first time."""
    return partial(_die_once, marker)


def load_artist_on_a_full_disk() -> Callable[[int], Made]:
    """No file may grow beyond 20 kB; a shard is larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    return draw
