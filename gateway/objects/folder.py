"""Objects are files below a folder, of this machine or shared by many: read in place, renamed into place."""

import contextlib
import os
import shutil
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from gateway.jobs.records import new_id
from gateway.objects.port import Objects

_BLOCK_BYTES: Final = 1 << 16


class Folder(Objects):
    """Objects below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{new_id()}")
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def blocks(self, name: str, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        return _blocks((self._root / name).open("rb"), first, length)

    @contextlib.contextmanager
    def copy(self, name: str) -> Iterator[Path]:
        path = self._root / name
        path.stat()
        yield path

    def has(self, name: str) -> bool:
        return (self._root / name).is_file()

    def move(self, name: str, to: str) -> None:
        target = self._root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._root / name).replace(target)

    def under(self, folder: str) -> Iterator[tuple[str, float]]:
        # Entries, not paths: a playlist looks at thousands of them.
        with contextlib.suppress(FileNotFoundError), os.scandir(self._root / folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from ((f"{entry.name}/{name}", at) for name, at in self.under(f"{folder}/{entry.name}"))
                else:
                    with contextlib.suppress(FileNotFoundError):  # another erased it since the folder was read
                        yield entry.name, entry.stat().st_mtime

    def folders(self, folder: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._root / folder) as entries:
            return [entry.name for entry in entries]
        return []

    def changed_at(self, folder: str) -> float:
        with contextlib.suppress(FileNotFoundError):
            own = (self._root / folder).stat().st_mtime  # of an empty one, too: its first file may be on its way
            return max([own, *(at for _, at in self.under(folder))])
        return 0.0

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self._root / name).unlink(missing_ok=True)

    def remove_folder(self, folder: str, but: Container[str] = ()) -> None:
        top = self._root / folder
        with contextlib.suppress(OSError):  # another removes it, too; or it is added to, and looked at again
            for path in list(top.iterdir()):
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name not in but:
                    path.unlink(missing_ok=True)
            if not any(top.iterdir()):
                top.rmdir()

    def move_folder(self, folder: str, to: str) -> bool:
        try:
            os.utime(self._root / folder)
            (self._root / folder).rename(self._root / to)
        except FileNotFoundError:
            return False
        return True

    def let_go(self, unused_s: float) -> None:
        """Files are read in place: there are no copies."""

    def ping(self) -> None:
        os.scandir(self._root).close()


def _blocks(stream: BinaryIO, first: int, length: int | None) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        left = -1 if length is None else length
        while left and (block := stream.read(_BLOCK_BYTES if left < 0 else min(left, _BLOCK_BYTES))):
            left -= 0 if left < 0 else len(block)
            yield block
