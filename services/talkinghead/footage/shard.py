"""Shards of clips: safetensors files, read through the memory map, so that a set may be larger than the memory.

A set is a folder with `train/` and `test/` of `*.safetensors`. Arrays of the i-th clip of a file are named `iiii.name`:

- `pictures` (bytes,) uint8, all JPEG files end to end, and `picture_ends` (N,) int64, where each one ends
- `landmarks` (N, 68, 2) float32; `places` (N,) int64
- `wave` (640 T,) int16; `actions` (T, 11) float32; `loudness` (T,) float32
- where asked for, `features` (2 T, C) float16: another kind of speech features
- of rendered faces also `known_actions` (T, 11) float32, and `inner_mouth` (bytes,) uint8, all PNG files end to end,
  with `inner_mouth_ends` (N,) int64

All that is no array is in the metadata: `format` and `clips`, a JSON list with one entry for each clip.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from services.talkinghead.footage.clip import Bytes, Clip, Floats, Phone, from_jpeg, from_png

FORMAT: Final = "raconteur footage 1"

Split = Literal["train", "test"]
Places = NDArray[np.int64]

_ARRAYS: Final = ("landmarks", "places", "wave", "actions", "loudness")
_OPEN_SHARDS: Final = 8
"""Files that a process keeps mapped at a time."""


class FootageError(ValueError):
    """A set that cannot be read; the message names the file and the reason."""


def shard_bytes(clips: Sequence[Clip]) -> bytes:
    """One file that holds these clips."""
    arrays: dict[str, NDArray[Any]] = {}
    entries = []
    for number, clip in enumerate(clips):
        held: dict[str, NDArray[Any]] = {name: getattr(clip, name) for name in _ARRAYS}
        held["pictures"], held["picture_ends"] = _joined(clip.pictures)
        entry = {
            "name": clip.name,
            "identity": clip.identity,
            "source": clip.source,
            "start_s": round(clip.start_s, 3),
            "square_px": clip.square_px,
            "sound_lag_s": round(clip.sound_lag_s, 3),
        }
        if clip.features is not None:
            held["features"] = clip.features.astype(np.float16)
        if clip.known is not None:
            known = asdict(clip.known)
            held["known_actions"] = known.pop("actions")
            held["inner_mouth"], held["inner_mouth_ends"] = _joined(known.pop("inner_mouth"))
            known["phones"] = [[round(start_s, 4), ipa] for start_s, ipa in clip.known.phones]
            entry["known"] = known
        entries.append(entry)
        arrays |= {f"{number:04d}.{name}": np.ascontiguousarray(array) for name, array in held.items()}
    data: bytes = save(arrays, metadata={"format": FORMAT, "clips": json.dumps(entries, ensure_ascii=False)})
    return data


def _joined(files: Sequence[bytes]) -> tuple[Bytes, Places]:
    return np.frombuffer(b"".join(files), np.uint8), np.cumsum([len(file) for file in files], dtype=np.int64)


class StoredClip:
    """A clip in a shard. Arrays are read when asked for; pictures one by one."""

    def __init__(self, path: Path, number: int, entry: dict[str, Any]) -> None:
        self._path, self._number = path, number
        known = entry.get("known", {})
        self.name: str = entry["name"]
        self.identity: str = entry["identity"]
        self.source: str = entry["source"]
        self.start_s: float = entry["start_s"]
        self.square_px: int = entry["square_px"]
        self.sound_lag_s: float = entry["sound_lag_s"]
        self.rendered = "known" in entry
        self.still: bool = known.get("still", False)
        self.open_rest: bool = known.get("open_rest", False)
        self.phones: list[Phone] = [(start_s, ipa) for start_s, ipa in known.get("phones", [])]
        """Of rendered faces only: (start in s, IPA), the last one marks the end."""
        self.text: str = known.get("text", "")
        self.voice: str = known.get("voice", "")

    def __len__(self) -> int:
        """N, the number of pictures."""
        return len(self._picture_ends)

    @property
    def landmarks(self) -> Floats:
        """(N, 68, 2) in pixels of the square."""
        return np.asarray(self._read("landmarks"))

    @property
    def places(self) -> Places:
        """(N,) which of the sound's T frames each picture shows, rising."""
        return np.asarray(self._read("places"))

    @property
    def wave(self) -> NDArray[np.int16]:
        """(640 T,) at 16 kHz."""
        return np.asarray(self._read("wave"))

    @property
    def actions(self) -> Floats:
        """(T, 11) facial actions that the speech network hears."""
        return np.asarray(self._read("actions"))

    @property
    def loudness(self) -> Floats:
        """(T,) root mean square."""
        return np.asarray(self._read("loudness"))

    @property
    def features(self) -> Floats:
        """(2 T, C) speech features at 50 Hz; raises KeyError where none were asked for."""
        return np.asarray(self._read("features"), np.float32)

    @property
    def known_actions(self) -> Floats:
        """(T, 11) facial actions that a rendered face was given; raises KeyError for real footage."""
        return np.asarray(self._read("known_actions"))

    def pictures(self, numbers: Sequence[int] | Places | slice = slice(None)) -> Bytes:
        """Face squares (n, square_px, square_px, 3) RGB of these of the N pictures."""
        return np.stack([from_jpeg(data) for data in self._files("pictures", self._picture_ends, numbers)])

    def inner_mouth(self, numbers: Sequence[int] | Places | slice = slice(None)) -> Bytes:
        """(n, square_px, square_px) 255 where the mouth's inside shows; raises KeyError for real footage."""
        return np.stack([from_png(data) for data in self._files("inner_mouth", self._inner_mouth_ends, numbers)])

    @cached_property
    def _picture_ends(self) -> Places:
        ends: Places = self._read("picture_ends")
        return ends

    @cached_property
    def _inner_mouth_ends(self) -> Places:
        ends: Places = self._read("inner_mouth_ends")
        return ends

    def _files(self, name: str, ends: Places, numbers: Sequence[int] | Places | slice) -> Iterator[Bytes]:
        joined = _opened(self._path).get_slice(f"{self._number:04d}.{name}")
        for number in np.arange(len(ends))[numbers]:
            yield joined[int(ends[number - 1]) if number else 0 : int(ends[number])]

    def _read(self, name: str) -> Any:  # each array has the type that its property tells
        key = f"{self._number:04d}.{name}"
        file = _opened(self._path)
        if key not in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
            raise KeyError(f"{self.name}: the clip holds no {name}")
        return file.get_tensor(key)


class Footage(Sequence[StoredClip]):
    """All clips of one part of a set, in the order of the shards' names."""

    def __init__(self, folder: Path, split: Split) -> None:
        paths = sorted((folder / split).glob("*.safetensors"))
        self._clips = [clip for path in paths for clip in stored_clips(path)]
        if not self._clips:
            raise FootageError(f"{folder / split}: there is no clip in it; `prepare` writes them")

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: Any) -> Any:
        return self._clips[index]

    def __iter__(self) -> Iterator[StoredClip]:
        return iter(self._clips)


def stored_clips(path: Path) -> list[StoredClip]:
    """The clips of one shard. Raises FootageError."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise FootageError(f"{path}: its format is {metadata.get('format')!r}, expected {FORMAT!r}")
        return [StoredClip(path, number, entry) for number, entry in enumerate(json.loads(metadata["clips"]))]
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise FootageError(f"{path}: it is no shard of footage ({error})") from None


@lru_cache(_OPEN_SHARDS)
def _opened(path: Path) -> Any:
    return safe_open(path, framework="numpy")
