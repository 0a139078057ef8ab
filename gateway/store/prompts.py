"""An owner's prompts, and which one answers for a taxonomy. Activations are a pile: rolling back takes off the top."""

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.jobs.records import new_id
from gateway.store.tables import ACTIVATIONS, PROMPTS
from services.common.errors import ProblemError
from services.reasoning.schemas import ChosenPrompt, Segments, prompt_hash


@dataclass(frozen=True)
class PromptRecord:
    """A prompt as it was made; it never changes. ``created_at``: seconds since 1970 (UTC)."""

    id: str
    taxonomy: str
    name: str
    hash: str
    segments: dict[str, str]
    calibration: dict[str, Any] | None
    parent: str | None
    model: str | None
    figures: dict[str, Any] | None
    created_at: float

    def chosen(self) -> ChosenPrompt:
        """As the reasoning service takes it."""
        return ChosenPrompt.model_validate({"name": self.name, "calibration": self.calibration} | self.segments)


def record_of(
    prompt_id: str,
    taxonomy: str,
    prompt: ChosenPrompt,
    *,
    parent: str | None,
    model: str | None,
    figures: dict[str, Any] | None,
) -> PromptRecord:
    """A prompt as it is stored, with the hash of its words."""
    segments = {segment: getattr(prompt, segment) for segment in Segments.model_fields}
    return PromptRecord(
        id=prompt_id,
        taxonomy=taxonomy,
        name=prompt.name,
        hash=prompt_hash(prompt.name, taxonomy, segments),
        segments=segments,
        calibration=prompt.calibration.model_dump() if prompt.calibration else None,
        parent=parent,
        model=model,
        figures=figures,
        created_at=time.time(),
    )


_COLUMNS = [column for column in PROMPTS.c if column.name != "owner"]


class PromptStore:
    """Prompts of one owner."""

    def __init__(self, engine: sa.Engine, owner: str) -> None:
        self._engine, self._owner = engine, owner

    def add(self, prompt: PromptRecord) -> PromptRecord:
        """Store a prompt; one with this id that is there already stays (a job that is run twice makes one prompt)."""
        with self._engine.begin() as sql:
            if sql.execute(sa.select(PROMPTS.c.id).where(*self._prompt(prompt.id))).scalar() is None:
                sql.execute(sa.insert(PROMPTS).values(**vars(prompt), owner=self._owner))
        return self.prompt(prompt.id)

    def prompt(self, prompt_id: str) -> PromptRecord:
        """Raises ``not_found``."""
        with self._engine.connect() as sql:
            row = sql.execute(sa.select(*_COLUMNS).where(*self._prompt(prompt_id))).one_or_none()
        if row is None:
            raise ProblemError("not_found", f"prompt {prompt_id!r} does not exist", param="id")
        return PromptRecord(**row._mapping)

    def prompts(self, taxonomy: str | None) -> list[PromptRecord]:
        """Newest first."""
        query = sa.select(*_COLUMNS).where(PROMPTS.c.owner == self._owner).order_by(PROMPTS.c.id.desc())
        if taxonomy is not None:
            query = query.where(PROMPTS.c.taxonomy == taxonomy)
        with self._engine.connect() as sql:
            return [PromptRecord(**row._mapping) for row in sql.execute(query)]

    def active(self, taxonomy: str) -> PromptRecord | None:
        """The prompt that answers; None where it is the one that ships."""
        with self._engine.connect() as sql:
            prompt_id = sql.execute(self._top(ACTIVATIONS.c.prompt_id, taxonomy)).scalar()
        return None if prompt_id is None else self.prompt(prompt_id)

    def activate(self, prompt_id: str) -> PromptRecord:
        """From now on this prompt answers for its taxonomy. Raises ``not_found``."""
        prompt = self.prompt(prompt_id)
        active = self.active(prompt.taxonomy)
        if active is None or active.id != prompt.id:
            with self._engine.begin() as sql:
                sql.execute(
                    sa.insert(ACTIVATIONS).values(
                        id=new_id(), owner=self._owner, taxonomy=prompt.taxonomy, prompt_id=prompt.id
                    )
                )
        return prompt

    def roll_back(self, taxonomy: str) -> PromptRecord | None:
        """Undo the last activation -> what answers now. Raises ``not_found`` where there is none."""
        with self._engine.begin() as sql:
            last = sql.execute(self._top(ACTIVATIONS.c.id, taxonomy)).scalar()
            if last is None:
                raise ProblemError(
                    "not_found", f"taxonomy {taxonomy!r}: its shipped prompt answers; nothing to undo", param="taxonomy"
                )
            sql.execute(sa.delete(ACTIVATIONS).where(ACTIVATIONS.c.id == last))
        return self.active(taxonomy)

    def delete(self, prompt_id: str) -> None:
        """Erase a prompt and its activations. Raises ``not_found``."""
        self.prompt(prompt_id)
        with self._engine.begin() as sql:
            mine = ACTIVATIONS.c.owner == self._owner, ACTIVATIONS.c.prompt_id == prompt_id
            sql.execute(sa.delete(ACTIVATIONS).where(*mine))
            sql.execute(sa.delete(PROMPTS).where(*self._prompt(prompt_id)))

    def _prompt(self, prompt_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return PROMPTS.c.id == prompt_id, PROMPTS.c.owner == self._owner

    def _top(self, column: sa.Column[Any], taxonomy: str) -> sa.Select[Any]:
        mine = ACTIVATIONS.c.owner == self._owner, ACTIVATIONS.c.taxonomy == taxonomy
        return sa.select(column).where(*mine).order_by(ACTIVATIONS.c.id.desc()).limit(1)
