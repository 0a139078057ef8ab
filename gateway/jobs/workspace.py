"""What a running job has finished so far. A stage that stands here is never made again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from gateway.jobs.inputs import PERCEPTION, PHOTO
from gateway.storage import write_whole

QUESTION: Final = "question.json"
"""What the job is asked, where that is private: in its folder from before it is accepted, and gone with its success."""

ASKED: Final = (QUESTION, PHOTO, f"{PERCEPTION}.json")
"""Of a job that failed or was canceled this stays, to make it again of: what it was asked, and its photo, or what was
seen in it."""

R = TypeVar("R", bound=BaseModel)


def kept_lines(path: Path) -> list[Any]:
    """JSON values, one a line. Whole lines only: a last one without an end was torn by a kill, and is cut off."""
    if not path.is_file():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        write_whole(path, whole + b"\n" if whole else b"")
    return [json.loads(line) for line in whole.splitlines()]


@dataclass(frozen=True)
class Workspace:
    """A job's folder: for each finished stage ``{stage}.json`` (its report, its seconds), content and end state."""

    folder: Path

    def has(self, stage: str) -> bool:
        return self._told(stage).is_file()

    def put(
        self, stage: str, report: BaseModel, seconds: float, content: bytes | None = None, state: bytes | None = None
    ) -> None:
        """The report is written last: where it stands, content and end state are whole."""
        if state is not None:
            write_whole(self._left(stage), state)
        if content is not None:
            write_whole(self.content(stage), content)
        told = {"report": report.model_dump(mode="json"), "seconds": round(seconds, 3)}
        write_whole(self._told(stage), json.dumps(told).encode())

    def report(self, stage: str, model: type[R]) -> R:
        return model.model_validate(self._read(stage)["report"])

    def seconds(self, stage: str) -> float:
        return float(self._read(stage)["seconds"])

    def content(self, stage: str) -> Path:
        return self.folder / f"{stage}.bin"

    def state(self, stage: str) -> bytes | None:
        """What the stage left to the next one, if anything."""
        left = self._left(stage)
        return left.read_bytes() if left.is_file() else None

    def drop_state(self, stage: str) -> None:
        """The next stage is finished: nothing begins with this one's end any more."""
        self._left(stage).unlink(missing_ok=True)

    def _left(self, stage: str) -> Path:
        return self.folder / f"{stage}.state"

    def _told(self, stage: str) -> Path:
        return self.folder / f"{stage}.json"

    def _read(self, stage: str) -> Any:
        return json.loads(self._told(stage).read_bytes())
