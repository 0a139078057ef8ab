"""What is to be prepared: stretches of video files, each with the person who is seen.

HDTF (Z. Zhang et al., CVPR 2021) is understood as it is published: lists `RD_`, `WDA_` and `WRA_annotion_time.txt`
(`Radio11.mp4 00:30-01:00 01:30-02:30`: takes 0 and 1 of a video) and `..._crop_wh.txt` (`Radio11_0.mp4 left width top
height`: where the face of a take is) beside the whole videos, and as it is usually cut: `RD_Radio11_000.mp4`.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Final

from services.talkinghead.footage.shard import Split

VIDEO_ENDINGS: Final = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})

TEST_SHARE: Final = 0.1
"""Of the people, drawn by a hash of their names, so that a set may grow and nobody ever changes sides."""

_TIMES: Final = "_annotion_time.txt"  # spelled as HDTF spells it
_CROPS: Final = "_crop_wh.txt"
_SPEECHES: Final = ("WDA", "WRA")
"""HDTF's subsets whose videos bear people's names, numbered where there are several; `RD` numbers the people."""

Window = tuple[int, int, int, int]


class TakesError(ValueError):
    """Sources that cannot be understood; the message names the file, the value and the rule."""


@dataclass(frozen=True)
class Take:
    """A stretch of a video in which one person talks."""

    path: Path
    name: str
    """Unique in a set, and fit for a file's name."""
    identity: str
    start_s: float = 0.0
    end_s: float | None = None
    """None: to the video's end."""
    window: Window | None = None
    """Left, top, width, height in pixels: the only part of the picture in which the face is looked for."""


def find_takes(sources: Sequence[Path]) -> list[Take]:
    """Takes of video files, of folders of them, and of HDTF's folder of lists, sorted by name.

    Raises TakesError: a path that does not exist, is no video or holds none; two files of one name; a bad list.
    """
    takes: list[Take] = []
    for source in sources:
        if source.is_dir():
            found = _takes_of_folder(source)
        elif not source.exists():
            raise TakesError(f"videos: {source} does not exist")
        elif source.suffix.lower() in VIDEO_ENDINGS:
            found = [_whole(source, source.parent)]
        else:
            raise TakesError(f"videos: {source} is no folder and ends in none of {sorted(VIDEO_ENDINGS)}")
        if not found:
            raise TakesError(f"videos: there is no video in the folder {source}")
        takes += found
    first: dict[str, Take] = {}
    for take in takes:
        other = first.setdefault(take.name, take)
        if other is not take and other != take:
            raise TakesError(f"videos: {other.path} and {take.path} would both be called {take.name!r}")
    return [first[name] for name in sorted(first)]


def _takes_of_folder(folder: Path) -> list[Take]:
    videos = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_ENDINGS and path.is_file() and not path.name.startswith(".")
    )
    lists = sorted(folder.rglob(f"*{_TIMES}"))
    if not lists:
        return [_whole(path, folder) for path in videos]
    by_name = {path.stem: path for path in videos}
    return [take for path in lists for take in _hdtf_takes(path, by_name)]


def _whole(path: Path, folder: Path) -> Take:
    below = path.relative_to(folder).with_suffix("")
    return Take(path, re.sub(r"[^\w.-]+", "-", "-".join(below.parts)), identity_of(path.stem))


def _hdtf_takes(times: Path, videos: dict[str, Path]) -> list[Take]:
    """Takes of one subset whose video, whole or already cut, is there. Videos are found with or without `RD_`."""
    subset = times.name.removesuffix(_TIMES)
    crops = times.with_name(subset + _CROPS)
    windows = {name: _window(crops, numbers) for name, *numbers in _rows(crops)} if crops.exists() else None
    takes = []
    for file_name, *spans in _rows(times):
        video = Path(file_name).stem
        whole = videos.get(f"{subset}_{video}") or videos.get(video)
        for number, span in enumerate(spans):
            window = None
            if windows is not None and (window := windows.get(f"{video}_{number}")) is None:
                continue  # HDTF gives no window where hands or other people get in the way
            name = f"{subset}_{video}_{number:03d}"
            identity = identity_of(name)
            cut = videos.get(name) or videos.get(f"{video}_{number}")
            if cut is not None:
                takes.append(Take(cut, name, identity))
            elif whole is not None:
                start_s, end_s = _span(times, span)
                takes.append(Take(whole, name, identity, start_s, end_s, window))
    return takes


def _rows(path: Path) -> list[list[str]]:
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [[words[0].removesuffix(".mp4"), *words[1:]] for words in lines if words]


def _window(path: Path, numbers: list[str]) -> Window:
    try:
        left, width, top, height = (int(number) for number in numbers)
    except ValueError:
        raise TakesError(f"{path}: {numbers} should be four numbers: left, width, top, height") from None
    return left, top, width, height


def _span(path: Path, span: str) -> tuple[float, float]:
    """`00:30-01:00` in seconds."""
    parts = re.fullmatch(r"(?:(\d+):)?(\d+):(\d+)-(?:(\d+):)?(\d+):(\d+)", span)
    if parts is None:
        raise TakesError(f"{path}: {span!r} should be a span of time such as 00:30-01:00")
    hours, minutes, seconds, end_hours, end_minutes, end_seconds = (int(part or 0) for part in parts.groups())
    start_s, end_s = (
        float(3600 * hours + 60 * minutes + seconds),
        float(3600 * end_hours + 60 * end_minutes + end_seconds),
    )
    if end_s <= start_s:
        raise TakesError(f"{path}: the span {span!r} ends before it begins")
    return start_s, end_s


def identity_of(name: str) -> str:
    """Who is seen in a video of this name.

    HDTF's names tell: `WDA_JackReed0_000` and `WDA_JackReed1_000` are one person, and so are the takes of `RD_Radio34`.
    Any other video is a person of its own.
    """
    parts = re.fullmatch(r"(RD|WDA|WRA)_(.+?)_\d+", name)
    if parts is None:
        return name
    subset, person = parts.groups()
    return f"{subset}_{person.rstrip('0123456789') if subset in _SPEECHES else person}"


def split_by_hash(identity: str) -> Split:
    """One in ten people is in the test part."""
    drawn = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8]) / 2**64
    return "test" if drawn < TEST_SHARE else "train"


def by_list(identity: str, train: frozenset[str]) -> Split:
    """Whoever is not on the list of training people is in the test part."""
    return "train" if identity in train else "test"


def people_of_list(path: Path) -> frozenset[str]:
    """Identities of a list of training videos, one name or path a line, as DiffTalk's `train_name.txt` has them."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TakesError(f"train-list: {path} cannot be read ({error})") from None
    people = frozenset(identity_of(PureWindowsPath(line.strip()).stem) for line in lines if line.strip())
    if not people:
        raise TakesError(f"train-list: {path} names no video")
    return people


def pieces_of(take: Take, end_s: float, piece_s: float) -> Iterable[Take]:
    """The take in equal pieces of at most ``piece_s``, so that long videos need no more memory and share the work."""
    end_s = end_s if take.end_s is None else min(take.end_s, end_s)
    count = max(1, -int(-(end_s - take.start_s) // piece_s))
    step_s = (end_s - take.start_s) / count
    for number in range(count):
        start_s = take.start_s + number * step_s
        yield replace(
            take,
            name=take.name if count == 1 else f"{take.name}-{number:03d}",
            start_s=round(start_s, 2),
            end_s=round(start_s + step_s, 2),
        )
