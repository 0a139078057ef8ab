"""What a narration is to tell of, and how its relation is found."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, Field

from gateway.people import check_people, people_in
from services.perception.schemas import Story, StoryOptions
from services.reasoning.schemas import (
    ChosenPrompt,
    Relation,
    RelationsRequest,
    RelationsResponse,
    Symbol,
    Taxonomy,
    TaxonomyChoice,
)

Ask = Callable[[RelationsRequest], Awaitable[RelationsResponse]]
"""Asks the reasoning service."""


class NarrationQuestion(BaseModel):
    """Without ``story`` a photo is read, as ``look`` says; without ``pair`` the relation that is surest is told."""

    story: str | None = None
    look: StoryOptions = StoryOptions()
    pair: tuple[Symbol, Symbol] | None = None
    taxonomy: TaxonomyChoice = "pisc"
    abstain_below: float = Field(0.0, ge=0, le=1)
    leave_out_sensitive: bool = False
    prompt: ChosenPrompt | None = None

    @property
    def taxonomy_name(self) -> str:
        return self.taxonomy.name if isinstance(self.taxonomy, Taxonomy) else self.taxonomy

    def check(self, seen: Story | None) -> str:
        """The story that is told, of the photo as it was ``seen``, or the one that was given.

        Raises ``no_person``, ``one_person``, ``unknown_person``.
        """
        pairs = [] if self.pair is None else [self.pair]
        if seen is None:
            check_people(people_in(self.story or ""), pairs, "story", "pair")
            return self.story or ""
        check_people([person.symbol for person in seen.people], pairs, "photo", "pair")
        return seen.story

    def asked(self, story: str, **changes: Any) -> RelationsRequest:
        """What the reasoning service is asked about ``story``; ``changes`` are further fields of the request."""
        return RelationsRequest(
            story=story,
            taxonomy=self.taxonomy,
            abstain_below=self.abstain_below,
            leave_out_sensitive=self.leave_out_sensitive,
            prompt=self.prompt,
            **changes,
        )


class Told(BaseModel):
    """The relation that is told, and what was said about finding it."""

    relation: Relation
    warnings: list[str]


async def find_relation(question: NarrationQuestion, story: str, ask: Ask) -> Told:
    """Of the pair that was asked for; or of all pairs the one that the model is surest of, explained alone."""
    pair = question.pair
    if pair is None:
        judged = await ask(question.asked(story, explain=False))
        pair = max(judged.relations, key=_sureness).pair
    answer = await ask(question.asked(story, pairs=[pair]))
    return Told(relation=answer.relations[0], warnings=answer.warnings)


def _sureness(relation: Relation) -> tuple[bool, float]:
    return not relation.abstained, relation.probabilities[relation.label]
