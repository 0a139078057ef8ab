"""Frames are made a few at a time, and fewer where the memory does not hold them."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import structlog
import torch

from services.common.errors import ProblemError
from services.common.metrics import BATCH_FRAMES, UNET_CALLS
from services.talkinghead.difftalk.sampler import OnStep
from services.talkinghead.memory import is_out_of_memory

MICRO_BATCH: Final = 5
"""Frames per network call, always exactly so many: CPU kernels depend on the batch's size, and a frame's result must
not depend on where a segment was cut. A segment of a second has 25 frames, five full batches; eight at a time would
compute seven frames for nothing, and gain 3 % for each."""

Numbers = npt.NDArray[np.int64]
Make = Callable[[Numbers, OnStep], npt.NDArray[Any]]
"""(numbers of B frames, told (steps done, steps in all)) -> what was made of them (B, ...)."""

log = structlog.get_logger()


def in_batches(
    frames: int, make: Make, *, batch: int = MICRO_BATCH, on_step: OnStep | None = None
) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Which frames were made, and what of them, batch by batch; the last batch is filled up with its last frame.

    Where the memory does not hold a batch, this one and all that follow have half as many frames. Another batch size
    may round otherwise: what is made then is as good, but need not join bit for bit with what a run that never ran
    short has made.

    Args:
        frames: 0 or more.
        make: called for one batch after the other.
        batch: frames at a time.
        on_step: told (steps done, steps in all) over all batches; may raise to cancel.

    Raises:
        ProblemError: out_of_memory, where half a batch is too much as well.
    """
    start, done, halved = 0, 0, False
    while start < frames:
        left = -(-(frames - start) // batch)
        steps = 0

        def report(step: int, of: int, before: int = done, batches: int = left) -> None:
            nonlocal steps
            steps = of
            if on_step is not None:
                on_step(before + step, before + batches * of)

        made = None
        try:
            made = make(np.minimum(np.arange(start, start + batch), frames - 1), report)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if halved or batch == 1:
                raise ProblemError("out_of_memory", f"the memory does not hold the work on {batch} frame(s)") from error
            log.warning("batch_halved", frames=batch, reason=type(error).__name__)
        if made is None:  # only here is the error gone, and with it all that it held
            halved, batch = True, batch // 2
            torch.cuda.empty_cache()
            continue
        BATCH_FRAMES.observe(batch)
        UNET_CALLS.inc(steps)
        yield slice(start, min(start + batch, frames)), made[: frames - start]
        start, done = start + batch, done + steps
