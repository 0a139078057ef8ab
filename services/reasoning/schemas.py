"""What the reasoning service takes and answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

Symbol = Annotated[str, Field(pattern=r"^P[1-9][0-9]{0,2}$", examples=["P1"])]


class Label(BaseModel):
    """One relation of a taxonomy."""

    name: str = Field(min_length=1, max_length=60)
    definition: str = Field(min_length=1, max_length=400)
    coarse: str | None = Field(None, max_length=60, description="the coarser class it belongs to")
    symmetric: bool = True
    sensitive: bool = False


class Taxonomy(BaseModel):
    """The relations to choose from: between 2 and 26 labels with distinct names."""

    name: str = Field(min_length=1, max_length=60)
    labels: list[Label] = Field(min_length=2, max_length=26)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Taxonomy":
        names = [label.name.strip().lower() for label in self.labels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"labels: {', '.join(twice)} stands there more than once; names must be distinct")
        return self


def _kind_of_taxonomy(value: Any) -> str:
    """Only the asked kind reports its faults: the names where a name was given, the fields where an object was."""
    return "name" if isinstance(value, str) else "own"


TaxonomyChoice = Annotated[
    Annotated[Literal["pisc", "pipa"], Tag("name")] | Annotated[Taxonomy, Tag("own")], Discriminator(_kind_of_taxonomy)
]


class RelationsRequest(BaseModel):
    """Ask for the relation of each pair; ``taxonomy`` names a built-in one or is the caller's own."""

    story: str
    pairs: list[tuple[Symbol, Symbol]] | None = Field(None, description="all pairs of the story's people if left out")
    taxonomy: TaxonomyChoice = "pisc"
    explain: bool = True
    abstain_below: float = Field(0.0, ge=0, le=1, description="abstain where the best probability is lower")


class Evidence(BaseModel):
    sentence: str
    weight: float = Field(description="drop of the label's log-probability when the sentence is left out")


class Relation(BaseModel):
    pair: tuple[Symbol, Symbol]
    label: str
    coarse: str | None
    probabilities: dict[str, float] = Field(description="every label of the taxonomy; sums to 1")
    abstained: bool
    explanation: str | None
    evidence: list[Evidence]


class RelationsResponse(BaseModel):
    relations: list[Relation]
    taxonomy: str
    prompt: str = Field(description="name and content hash of the prompt")
    model: str
    method: str = Field(description="how the probabilities were found")
    warnings: list[str]
    timings_s: dict[str, float]
