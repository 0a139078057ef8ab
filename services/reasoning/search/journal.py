"""The events of a search in a file, one JSON object a line, written as they happen: killed, it goes on from there."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from services.common.errors import ProblemError
from services.reasoning.search.events import EVENT, Event


class Journal:
    """``path``'s first line tells of which search it is; another search never goes on in it."""

    def __init__(self, path: Path, about: dict[str, object]) -> None:
        """Open or begin the file. Raises ``invalid_request`` where it belongs to another search."""
        self._path = path
        head = json.dumps(about, sort_keys=True)
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
        whole = lines[:-1]  # what stands behind the last newline was torn by a kill
        if not whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(head + "\n", encoding="utf-8")
        elif whole[0].decode() != head:
            raise ProblemError(
                "invalid_request",
                f"journal: {path} belongs to a search with other stories, pools, model or options; give another file",
                param="journal",
            )
        elif lines[-1]:
            with path.open("rb+") as file:
                file.truncate(sum(len(line) + 1 for line in whole))
        self.events: list[Event] = [EVENT.validate_json(line) for line in whole[1:]]

    def write(self, events: Iterable[Event]) -> None:
        """Append and make sure that it is on the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            for event in events:
                self.events.append(event)
                file.write(event.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
