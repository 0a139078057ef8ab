"""What a way of looking at a photo costs: processor time, pictures encoded, calls of the networks. By hooks, unseen."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Cost:
    """``cpu_s`` is processor time, comparable on a machine that has other work."""

    cpu_s: float = 0.0
    seconds: float = 0.0
    encodings: int = 0
    """Pictures that an image encoder read."""
    calls: int = 0
    """Of image encoders, mask decoders and language models, whatever the batch."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.cpu_s + other.cpu_s,
            self.seconds + other.seconds,
            self.encodings + other.encodings,
            self.calls + other.calls,
        )


@contextmanager
def counted(encoders: Iterable[Any], decoders: Iterable[Any]) -> Iterator[Cost]:
    """Counts until the block ends. ``encoders`` take ``pixel_values`` (N, 3, h, w)."""
    cost = Cost()

    def on_encode(_module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        cost.encodings += len(named["pixel_values"] if "pixel_values" in named else arguments[0])
        cost.calls += 1

    def on_decode(_module: Any, _arguments: tuple[Any, ...], _named: dict[str, Any]) -> None:
        cost.calls += 1

    hooks = [module.register_forward_pre_hook(on_encode, with_kwargs=True) for module in encoders]
    hooks += [module.register_forward_pre_hook(on_decode, with_kwargs=True) for module in decoders]
    began, began_cpu = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds, cost.cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        for hook in hooks:
            hook.remove()
