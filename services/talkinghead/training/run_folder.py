"""The folder of a run: its settings, a checkpoint of every stage, the log, the model.

A checkpoint is written under another name, synced and renamed: there is a whole one at any time, be it the one before.
"""

import fcntl
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from services.talkinghead.footage.prepare import write_whole
from services.talkinghead.training.errors import TrainError

SETTINGS: Final = "settings.json"
LOG: Final = "log"
MODEL: Final = "model"
SYNC_EXPERT: Final = "sync_expert.safetensors"

_CHECKPOINT: Final = "checkpoint.pt"
_UNFINISHED: Final = ".unfinished"

Told = Mapping[str, Any]
"""What the run was told, of which all that is learnt depends: nested, as JSON has it."""


class RunFolder:
    """One process writes, all read."""

    def __init__(self, path: Path, told: Told) -> None:
        self.path = path
        self._told = told

    @contextmanager
    def owned(self) -> Iterator[None]:
        """For this run alone. Raises TrainError: another run has it, or it was begun with other settings."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / ".lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise TrainError(f"out: {self.path} belongs to another run; wait for it or stop it") from None
                for leftover in self.path.rglob(f"*{_UNFINISHED}"):
                    if leftover.is_file():
                        leftover.unlink()
                settings = self.path / SETTINGS
                if not settings.exists():
                    write_whole(settings, json.dumps(self._told, indent=1).encode())
                self._check(settings, json.loads(settings.read_text(encoding="utf-8")))
                yield
        except OSError as error:
            raise TrainError(
                f"out: {self.path} cannot be written ({error.strerror or error}); make room and run the same command "
                "again: it goes on from the checkpoint"
            ) from error

    def save(self, stage: str, state: dict[str, Any]) -> None:
        """Raises OSError: it cannot be written; the checkpoint before it is whole."""
        target = self._checkpoint(stage)
        target.parent.mkdir(exist_ok=True)
        unfinished = target.with_name(target.name + _UNFINISHED)
        try:
            with unfinished.open("wb") as file:
                torch.save({**state, "told": json.dumps(self._told)}, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(target)
        except (OSError, RuntimeError) as error:  # torch's own writer tells of a full disk by a RuntimeError
            unfinished.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise
            raise OSError(0, f"{target} could not be written: {str(error).splitlines()[0]}") from error

    def load(self, stage: str) -> dict[str, Any] | None:
        """The stage's checkpoint, on the CPU; None where there is none. Raises TrainError: damaged, another run's."""
        path = self._checkpoint(stage)
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            told = json.loads(state.pop("told"))
        except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TrainError(
                f"out: {path} is no checkpoint that can be read ({reason}); remove it to begin the stage anew"
            ) from None
        self._check(path, told)
        return state

    def _checkpoint(self, stage: str) -> Path:
        return self.path / stage / _CHECKPOINT

    def _check(self, path: Path, before: Told) -> None:
        for key, then, now in _differences(before, json.loads(json.dumps(self._told))):
            raise TrainError(
                f"out: {path} was begun with {key} = {then!r}, this run has {now!r}; say the same again, or name "
                "another folder"
            )


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted(before.keys() | now.keys()):
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif before != now:
        yield key, before, now
