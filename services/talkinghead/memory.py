"""Running out of memory: how it is told from other faults, whichever library ran out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from services.common.errors import ProblemError

_TOLD_BY: Final = (
    "DefaultCPUAllocator: can't allocate memory",  # torch
    "DefaultCPUAllocator: not enough memory",
    "Failed to allocate memory",  # onnxruntime
    "bad_alloc",  # onnxruntime
    "Insufficient memory",  # OpenCV
)


def is_out_of_memory(error: Exception) -> bool:
    """Did the main memory or a GPU's run out?"""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(mark in str(error) for mark in _TOLD_BY)


@contextmanager
def naming_out_of_memory() -> Iterator[None]:
    """Whatever runs out of memory in here raises out_of_memory."""
    try:
        yield
    except ProblemError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise ProblemError("out_of_memory", f"the memory does not hold what was asked for: {error}") from error
