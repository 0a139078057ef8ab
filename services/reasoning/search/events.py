"""What happens in a search, as it is written down. The events are the whole state: read again, they give it back."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.reasoning.search.pools import Choice


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    tokens: int = Field(0, description="tokens that the model computed for it; a backward pass counts as two forward")
    seconds: float = 0.0


class Scored(_Event):
    """The labels' log-probabilities for one story with one prompt."""

    kind: Literal["scored"] = "scored"
    choice: Choice
    story: str = Field(description="id of the labelled story")
    scores: list[float]


class Graded(_Event):
    """First-order estimate of how the loss would change with each text of each pool, for one step's batch."""

    kind: Literal["graded"] = "graded"
    step: int
    changes: list[list[float]] = Field(description="per segment, per text of its pool")


class Targeted(_Event):
    """The published loss of one story with one prompt: mean over the target sentence's tokens."""

    kind: Literal["targeted"] = "targeted"
    choice: Choice
    story: str
    loss: float


class Trial(BaseModel):
    """One rival of a step: mean difference of its loss to the current prompt's on ``n`` stories.

    In the published algorithm, which does not look at the current prompt, to the mean of all rivals.
    """

    choice: Choice
    n: int
    difference: float


class Stepped(_Event):
    """One step is over."""

    kind: Literal["stepped"] = "stepped"
    step: int
    proposer: str
    before: Choice
    after: Choice
    loss: float = Field(
        description="of the prompt before, on the batch; of the one moved to in the published algorithm"
    )
    trials: list[Trial]
    p_value: float | None = Field(None, description="of the best rival; null where the search always moves")
    correlation: float | None = Field(None, description="Spearman, gradient's ranks against the measured differences")


class Validated(_Event):
    """A prompt on the validation stories."""

    kind: Literal["validated"] = "validated"
    step: int
    choice: Choice
    loss: float
    accuracy: float


class Stopped(_Event):
    """No more steps."""

    kind: Literal["stopped"] = "stopped"
    reason: Literal["steps", "tokens", "seconds", "money", "patience"]


Event = Annotated[Scored | Graded | Targeted | Stepped | Validated | Stopped, Field(discriminator="kind")]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
