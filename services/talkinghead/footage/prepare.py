"""Make a set, piece by piece, on several processes; what is made stays, whatever happens.

A piece is what a worker makes in one go; it becomes one shard and one account of it. Each file is written under another
name, synced and renamed, the account last: so a run that was killed, or whose disk was full, goes on behind the pieces
that have an account, and there is no half a shard at any time.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import cv2

from services.talkinghead.footage.made import Account, Made
from services.talkinghead.footage.shard import FORMAT, Split, shard_bytes

SETTINGS: Final = "settings.json"
ACCOUNTS: Final = "accounts"
_UNFINISHED: Final = ".unfinished"
_WATCH_S: Final = 2.0

Maker = Callable[[Any], Made]


class PrepareError(RuntimeError):
    """The run cannot start or go on; the message says why and what to do. What was made before is whole."""


@dataclass(frozen=True)
class Piece:
    """One shard to be."""

    name: str
    split: Split
    what: Any
    """What the maker is given; it must be picklable."""


def prepare(
    pieces: Sequence[Piece],
    out: Path,
    load_maker: Callable[[], Maker],
    *,
    settings: Mapping[str, Any],
    workers: int,
    tell: Callable[[int, int, Account], None],
) -> list[Account]:
    """Make what is missing of ``pieces`` in ``out``; returns the accounts of all of them.

    Args:
        load_maker: called once in every worker.
        settings: what the pieces depend on; a set is made with the same ones from its beginning to its end.
        tell: called with pieces done, pieces in all, and the account of each as it comes.

    Raises PrepareError: another run has the folder; its settings are others; the disk is full; a worker died.
    """
    with _owned(out, settings):
        for leftover in out.rglob(f"*{_UNFINISHED}"):
            leftover.unlink()
        done = {account.piece: account for account in read_accounts(out)}
        missing = [piece for piece in pieces if piece.name not in done]
        count = len(pieces) - len(missing)
        for account in _work(missing, out, load_maker, workers):
            done[account.piece] = account
            count += 1
            tell(count, len(pieces), account)
    return [done[piece.name] for piece in pieces]


def read_accounts(out: Path) -> list[Account]:
    """The accounts of all pieces that are finished, by name."""
    paths = sorted((out / ACCOUNTS).glob("*.json"))
    return [Account.from_json(path.read_text(encoding="utf-8")) for path in paths]


def write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing; raises OSError."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def _owned(out: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """The folder, with its settings, for this run alone."""
    told = {"format": FORMAT, **settings}
    try:
        for name in ("train", "test", ACCOUNTS):
            (out / name).mkdir(parents=True, exist_ok=True)
        with (out / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PrepareError(f"out: {out} is being prepared by another run; wait for it or stop it") from None
            if not (out / SETTINGS).exists():
                write_whole(out / SETTINGS, json.dumps(told, indent=1).encode())
            _check_same(out, told)
            yield
    except OSError as error:
        raise PrepareError(f"out: {out} cannot be written ({error.strerror})") from None


def _check_same(out: Path, told: dict[str, Any]) -> None:
    before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
    for key in told.keys() | before.keys():
        if told.get(key) != before.get(key):
            raise PrepareError(
                f"out: {out} was begun with {key} = {before.get(key)!r}, this run has {told.get(key)!r}; "
                "say the same again, or name another folder"
            )


def _work(missing: list[Piece], out: Path, load_maker: Callable[[], Maker], workers: int) -> Iterator[Account]:
    """Accounts in the order in which they are finished."""
    waiting = iter(missing)
    with ProcessPoolExecutor(
        max(1, min(workers, len(missing))), get_context("spawn"), _start_worker, (load_maker, os.getpid())
    ) as pool:
        running: dict[Future[Account], Piece] = {}
        try:
            while True:
                for piece in waiting:
                    running[pool.submit(_make, piece, out)] = piece
                    if len(running) >= 2 * workers:  # enough to keep everybody busy
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield _result(future, running.pop(future), out)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _result(future: Future[Account], piece: Piece, out: Path) -> Account:
    again = "run the same command again: it goes on behind what is finished"
    try:
        return future.result()
    except OSError as error:
        raise PrepareError(
            f"out: {piece.name} cannot be written to {out} ({error.strerror}); make room and {again}"
        ) from error
    except BrokenProcessPool:
        raise PrepareError(f"a worker was killed, perhaps for want of memory; take fewer workers and {again}") from None


_maker: Maker | None = None


def _start_worker(load_maker: Callable[[], Maker], parent: int) -> None:
    global _maker  # noqa: PLW0603 - one per process
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    cv2.setNumThreads(1)
    _maker = load_maker()


def _end_with(parent: int) -> None:
    """A worker whose run was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


def _make(piece: Piece, out: Path) -> Account:
    assert _maker is not None  # noqa: S101 - the initializer's
    made = _maker(piece.what)
    people = sorted({clip.identity for clip in made.clips})
    account = replace(made.account, piece=piece.name, split=piece.split, clips=len(made.clips), people=people)
    if made.clips:
        write_whole(out / piece.split / f"{piece.name}.safetensors", shard_bytes(made.clips))
    write_whole(out / ACCOUNTS / f"{piece.name}.json", account.to_json().encode())
    return account
