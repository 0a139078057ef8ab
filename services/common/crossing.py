"""What crosses from a limited child to its parent: JSON and plain arrays.

A child whose decoder was taken over may send anything. So nothing is unpickled: what arrives is read as JSON, its
arrays as numbers of a named type, and neither may be longer than allowed.
"""

import dataclasses
import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LENGTH: Final = struct.Struct("<I")
_MOST_JSON_BYTES: Final = 4 << 20
_PART: Final = "$part"
_BYTES: Final = "bytes"
_NUMBERS: Final = "biuf"
"""Kinds of arrays: booleans, integers, floats. An array of objects would be one of addresses."""


class CrossingError(Exception):
    """What arrived is nothing that ``send`` sends."""


def send(channel: socket.socket, told: Any) -> None:
    """Dataclasses, mappings, lists, arrays, bytes, and what JSON knows."""
    parts: list[Any] = []
    tree = _taken_apart(told, parts)
    forms = [(_BYTES, [len(part)]) if isinstance(part, bytes) else (part.dtype.str, part.shape) for part in parts]
    text = json.dumps([tree, forms], default=str).encode()
    channel.sendall(_LENGTH.pack(len(text)) + text)
    for part in parts:
        channel.sendall(part)


def receive(channel: socket.socket, *, seconds: float, most_bytes: int) -> Any:
    """What was sent, with lists for tuples and mappings for dataclasses. ``most_bytes``: of all arrays.

    Raises TimeoutError where it is not here whole in ``seconds``, EOFError where the other end closed, CrossingError.
    """
    deadline = time.monotonic() + seconds
    length: int = _LENGTH.unpack(_filled(bytearray(_LENGTH.size), channel, deadline))[0]
    if length > _MOST_JSON_BYTES:
        raise CrossingError(f"{length} bytes of JSON")
    try:
        tree, forms = json.loads(_filled(bytearray(length), channel, deadline))
        parts = []
        for kind, shape in forms:
            part = _empty(kind, shape, most_bytes)
            most_bytes -= part.nbytes
            _filled(part.reshape(-1).view(np.uint8), channel, deadline)
            parts.append(part.tobytes() if kind == _BYTES else part)
        return _put_together(tree, parts)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise CrossingError(str(error)) from None


def _taken_apart(told: Any, parts: list[Any]) -> Any:
    if isinstance(told, bytes | np.ndarray):
        parts.append(told if isinstance(told, bytes) else np.asarray(told, order="C"))
        return {_PART: len(parts) - 1}
    if dataclasses.is_dataclass(told):
        told = {field.name: getattr(told, field.name) for field in dataclasses.fields(told)}
    if isinstance(told, Mapping):
        return {key: _taken_apart(value, parts) for key, value in told.items()}
    if isinstance(told, list | tuple):
        return [_taken_apart(value, parts) for value in told]
    return told


def _put_together(tree: Any, parts: list[Any]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {_PART}:
            return parts[tree[_PART]]
        return {key: _put_together(value, parts) for key, value in tree.items()}
    return [_put_together(value, parts) for value in tree] if isinstance(tree, list) else tree


def _empty(kind: str, shape: list[int], most_bytes: int) -> NDArray[Any]:
    dtype = np.dtype(np.uint8 if kind == _BYTES else kind)
    if dtype.kind not in _NUMBERS or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > most_bytes:
        raise CrossingError(f"an array of {kind!r} and shape {shape}; {most_bytes} bytes are left")
    return np.empty(shape, dtype)


def _filled(target: Any, channel: socket.socket, deadline: float) -> Any:
    left = memoryview(target)
    while left:
        channel.settimeout(max(deadline - time.monotonic(), 1e-3))
        count = channel.recv_into(left)
        if not count:
            raise EOFError
        left = left[count:]
    return target
