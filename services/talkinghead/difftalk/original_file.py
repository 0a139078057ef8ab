"""A checkpoint file of the original layout: read without running anything of it, and written.

Read with `weights_only`: tensors and plain containers. Of what training leaves beside the state dict only the step
count is kept; optimiser and callbacks are not carried over.
"""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_NAMED = 5  # names that a message spells out
_LONGEST_NAME = 120
_FOREIGN_OBJECT = re.compile(r"GLOBAL ([\w.]+)")  # how torch's unpickler tells what it would not make


class CheckpointError(ValueError):
    """A checkpoint or model folder that cannot be converted; the message says what is wrong with it, in one line."""


@dataclass(frozen=True)
class OriginalCheckpoint:
    """What we take over of a checkpoint file."""

    path: Path
    state: dict[str, Tensor]
    """Tensors by their original names."""
    global_step: int = 0

    def error(self, message: str) -> CheckpointError:
        """An error that names the file."""
        return CheckpointError(f"{self.path}: {message}")


def read_original(path: Path) -> OriginalCheckpoint:
    """Read a checkpoint file.

    Raises:
        CheckpointError: truncated, no checkpoint at all, or with objects in it that are not tensors.
        OSError: no such file, or not readable.
    """
    content = _load(path)
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(n, str) and _is_whole(t) for n, t in state.items()):
        raise CheckpointError(f"{path}: has no 'state_dict' of named tensors")
    step = content.get("global_step", 0)
    return OriginalCheckpoint(path, dict(state), global_step=step if isinstance(step, int) else 0)


def write_original(checkpoint: OriginalCheckpoint) -> None:
    """Write a checkpoint file; it appears under its name once it is whole."""
    checkpoint.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = checkpoint.path.with_name(f"{checkpoint.path.name}.part")
    try:
        with unfinished.open("wb") as file:
            torch.save({"state_dict": checkpoint.state, "global_step": checkpoint.global_step}, file)
        unfinished.replace(checkpoint.path)
    finally:
        unfinished.unlink(missing_ok=True)


def listed(names: list[str]) -> str:
    """The first few names, on one line whatever they are made of."""
    shown = [name[:_LONGEST_NAME] if name.isprintable() else repr(name[:_LONGEST_NAME]) for name in names[:_NAMED]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(shown) + more


def one_line(error: Exception) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())[:300]


def _is_whole(value: Any) -> bool:
    """A dense tensor whose values are all in the file: a small file must not blow up to a large one."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not value.is_meta
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            found = _FOREIGN_OBJECT.search(str(error))
            reason = f"holds {found[1]}, which is no tensor" if found else "not readable as a checkpoint"
            raise CheckpointError(f"{path}: {reason}; nothing was run") from error
        except RuntimeError as error:  # torch's archive reader tells what is wrong
            raise CheckpointError(f"{path}: not readable as a checkpoint: {str(error).splitlines()[0]}") from error
        except Exception as error:  # bytes that are no checkpoint make the unpickler raise nearly anything
            raise CheckpointError(f"{path}: not readable as a checkpoint; nothing was run") from error
