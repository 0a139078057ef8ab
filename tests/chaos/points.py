"""Named points of the product at which a process is killed or frozen, from outside of its code.

``RACONTEUR_CHAOS_POINT`` holds ``VERB WHEN MODULE:NAME``, for example
``kill before gateway.store.work:JobStore.publish``.
It happens once for each file that ``RACONTEUR_CHAOS_ONCE`` names: the process that comes after goes through.
"""

import functools
import importlib
import os
import signal
from collections.abc import Callable
from typing import Any

VERBS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


def environment(point: str, once: os.PathLike[str]) -> dict[str, str]:
    return {"RACONTEUR_CHAOS_POINT": point, "RACONTEUR_CHAOS_ONCE": os.fspath(once)}


def arm() -> None:
    """Put the point of this process's environment in its place, if there is one."""
    told = os.environ.get("RACONTEUR_CHAOS_POINT")
    if not told:
        return
    verb, when, place = told.split()
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, _with_point(getattr(owner, name), VERBS[verb], when == "before"))


def _with_point(call: Callable[..., Any], number: signal.Signals, before: bool) -> Callable[..., Any]:
    @functools.wraps(call)
    def reached(*arguments: Any, **named: Any) -> Any:
        if before:
            _strike(number)
        answer = call(*arguments, **named)
        if not before:
            _strike(number)
        return answer

    return reached


def _strike(number: signal.Signals) -> None:
    try:
        os.close(os.open(os.environ["RACONTEUR_CHAOS_ONCE"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), number)
