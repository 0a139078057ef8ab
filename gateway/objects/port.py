"""What a store must offer. Names are paths: ``files/{id}``, ``jobs/{id}/{stage}.json``."""

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path


class StoreAwayError(OSError):
    """The store cannot be reached, or lets nobody in."""


class Objects(ABC):
    """Bytes by name. An object is there whole or not at all, and whoever may be writing it too does not mix with it.

    Each call raises ``StoreAwayError``, those that write what the disk raises, too.
    """

    @abstractmethod
    def draft(self, name: str) -> AbstractContextManager[Path]:
        """A local file to be written; it becomes the object at the end of its context, unless that is an error."""

    @abstractmethod
    def blocks(self, name: str, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        """``length`` bytes (all there are, if left out) from byte ``first`` on. Raises FileNotFoundError at once."""

    @abstractmethod
    def copy(self, name: str) -> AbstractContextManager[Path]:
        """The object as a local file, to be read within the context. Raises FileNotFoundError."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whole, that is: a draft is not there yet."""

    @abstractmethod
    def move(self, name: str, to: str) -> None:
        """Raises FileNotFoundError."""

    @abstractmethod
    def under(self, folder: str) -> Iterator[tuple[str, float]]:
        """(name below ``folder``, when it was written: seconds since 1970) of each object; drafts may be among them."""

    @abstractmethod
    def folders(self, folder: str) -> list[str]:
        """Names of the folders in ``folder``."""

    @abstractmethod
    def changed_at(self, folder: str) -> float:
        """When something below ``folder`` was last written; 0 where nothing is."""

    @abstractmethod
    def remove(self, names: Iterable[str]) -> None:
        """Those that are not there are passed over."""

    @abstractmethod
    def remove_folder(self, folder: str, but: Container[str] = ()) -> None:
        """With all that is below it, or all but the objects in it whose names are ``but`` these."""

    @abstractmethod
    def move_folder(self, folder: str, to: str) -> bool:
        """With all that is below it, as if it were written now. False where nothing is there, any more."""

    @abstractmethod
    def let_go(self, unused_s: float) -> None:
        """Erase local copies that nobody has read for so many seconds."""

    @abstractmethod
    def ping(self) -> None:
        """Raises OSError where the store cannot be used."""

    def read(self, name: str) -> bytes:
        """All of it. Raises FileNotFoundError."""
        return b"".join(self.blocks(name))

    def write(self, name: str, content: bytes) -> None:
        with self.draft(name) as draft:
            draft.write_bytes(content)
