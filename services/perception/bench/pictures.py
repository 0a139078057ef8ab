"""The pictures that are measured: those that ship, parts of them, and those of installed packages, read as data."""

import importlib.util
from pathlib import Path

import numpy as np

from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.common.settings import REPOSITORY
from services.perception.segment.masks import Pixels


def picture(source: str) -> Pixels:
    """``examples/photo.jpg``, or ``skimage:astronaut.png``. Raises ``not_found`` where the package is missing."""
    package, _, name = source.rpartition(":")
    path = REPOSITORY / name
    if package:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ProblemError(
                "not_found", f"{source}: package {package} is missing; pip install raconteur[evaluation]"
            )
        path = Path(found.origin).parent / "data" / name
    return read_picture(path.read_bytes(), param=source).pixels


def of_people(count: int) -> Pixels:
    """A picture of 1, 4 or 10 people, made of the examples."""
    if count == 1:
        return picture("examples/portrait.jpg")
    friends = picture("examples/photo.jpg")  # five
    if count == 4:
        return np.ascontiguousarray(friends[:, :660])
    return np.concatenate([friends, friends[:, ::-1]], axis=1)
