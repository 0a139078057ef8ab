"""What a running job has finished so far. A stage that stands here is never made again."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from gateway.jobs.inputs import PERCEPTION, PHOTO
from gateway.objects.port import Objects

QUESTION: Final = "question.json"
"""What the job is asked, where that is private: kept here from before it is accepted, and gone with its success."""

ASKED: Final = (QUESTION, PHOTO, f"{PERCEPTION}.json")
"""Of a job that failed or was canceled this stays, to make it again of: what it was asked, and its photo, or what was
seen in it."""

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class Workspace:
    """A job's objects: for each finished stage ``{stage}.json`` (its report, its seconds), content and end state."""

    objects: Objects
    folder: str
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What finished stages told; it never changes."""

    # --- stages ------------------------------------------------------------------------------------------------------

    def has(self, stage: str) -> bool:
        return stage in self._known or self.holds(f"{stage}.json")

    def finished(self) -> set[str]:
        """All stages that stand here, by one look."""
        return {name.removesuffix(".json") for name, _ in self.objects.under(self.folder) if name.endswith(".json")}

    def put(
        self, stage: str, report: BaseModel, seconds: float, content: bytes | None = None, state: bytes | None = None
    ) -> None:
        """The report is written last: where it stands, content and end state are whole."""
        if state is not None:
            self.write(f"{stage}.state", state)
        if content is not None:
            self.write(f"{stage}.bin", content)
        told = {"report": report.model_dump(mode="json"), "seconds": round(seconds, 3)}
        self.write(f"{stage}.json", json.dumps(told).encode())
        self._known[stage] = told

    def report(self, stage: str, model: type[R]) -> R:
        return model.model_validate(self._told(stage)["report"])

    def seconds(self, stage: str) -> float:
        return float(self._told(stage)["seconds"])

    def content(self, stage: str) -> AbstractContextManager[Path]:
        """To be read in place, within the context. Raises FileNotFoundError."""
        return self.objects.copy(self._name(f"{stage}.bin"))

    def state(self, stage: str) -> bytes | None:
        """What the stage left to the next one, if anything."""
        try:
            return self.read(f"{stage}.state")
        except FileNotFoundError:
            return None

    def drop_state(self, stage: str) -> None:
        """The next stage is finished: nothing begins with this one's end any more."""
        self.remove(f"{stage}.state")

    def _told(self, stage: str) -> Any:
        if stage not in self._known:
            self._known[stage] = json.loads(self.read(f"{stage}.json"))
        return self._known[stage]

    # --- anything else -----------------------------------------------------------------------------------------------

    def holds(self, name: str) -> bool:
        return self.objects.has(self._name(name))

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        return self.objects.read(self._name(name))

    def write(self, name: str, content: bytes) -> None:
        self.objects.write(self._name(name), content)

    def draft(self, name: str) -> AbstractContextManager[Path]:
        """A local file to be written; it stands here once its context ends well."""
        return self.objects.draft(self._name(name))

    def remove(self, name: str) -> None:
        self.objects.remove([self._name(name)])

    def _name(self, name: str) -> str:
        return f"{self.folder}/{name}"
