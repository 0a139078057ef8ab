"""The people of a story: ``<P1>``, ``<P2>``, ..."""

import re
from collections.abc import Sequence
from typing import Final

from services.common.errors import ProblemError

_PERSON: Final = re.compile(r"<(P[1-9][0-9]*)>")


def people_in(story: str) -> list[str]:
    """Symbols of the people whom a story names, P2 before P10."""
    return sorted(set(_PERSON.findall(story)), key=lambda symbol: int(symbol[1:]))


def check_people(symbols: Sequence[str], pairs: Sequence[tuple[str, str]], where: str, param: str) -> None:
    """Are there two people at least, and is each of ``pairs`` (given as ``param``) two of them?

    Raises ``no_person``, ``one_person``, ``unknown_person``, ``invalid_request``.
    """
    if not symbols:
        raise ProblemError("no_person", f"{where}: it shows 0 people; a relation needs 2", param=where)
    if len(symbols) == 1:
        raise ProblemError("one_person", f"{where}: it shows 1 person; a relation needs 2", param=where)
    for first, second in pairs:
        for symbol in (first, second):
            if symbol not in symbols:
                known = ", ".join(symbols)
                raise ProblemError("unknown_person", f"{param}: {symbol} is not one of {known}", param=param)
        if first == second:
            raise ProblemError("invalid_request", f"{param}: {first}, {second} is one person twice", param=param)
