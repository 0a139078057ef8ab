"""What the reasoning service takes and answers."""

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Method = Literal["phrases", "label words", "letter codes"]
"""How a language model is asked for the probability of a label; see ``scoring``."""

Symbol = Annotated[str, Field(pattern=r"^P[1-9][0-9]{0,2}$", examples=["P1"])]


RoleName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\w '-]+$")]
Phrase = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\w([\w '/-]*\w)?$")]


class Label(BaseModel):
    """One relation of a taxonomy."""

    name: str = Field(min_length=1, max_length=60)
    definition: str = Field(min_length=1, max_length=400)
    coarse: str | None = Field(None, max_length=60, description="the coarser class it belongs to")
    symmetric: bool = True
    sensitive: bool = False
    spoken: str | None = Field(
        None,
        min_length=1,
        max_length=80,
        description="how a narration says it of two people, after 'they seem to'; 'be' and the name if left out",
        examples=["be a couple"],
    )
    roles: tuple[RoleName, RoleName] | None = Field(
        None, description="who the two are in a directed relation; read off a name like host-guest if left out"
    )
    phrases: list[Phrase] = Field(
        default_factory=list,
        max_length=8,
        description="ways to end the sentence 'they are' of two people; the roles, else the name, if left out",
        examples=[["a couple", "lovers", "married"]],
    )

    @model_validator(mode="after")
    def _directed_labels_have_roles(self) -> "Label":
        if self.symmetric:
            if self.roles is not None:
                raise ValueError(f"label {self.name!r}: it is symmetric, so it has no roles")
            return self
        if self.roles is None:
            named = self.name.split("-")
            if len(named) != 2 or not all(named):
                raise ValueError(
                    f"label {self.name!r}: it is not symmetric; give its two roles, or a name like host-guest"
                )
            self.roles = (named[0].strip(), named[1].strip())
        if self.roles[0] == self.roles[1]:
            raise ValueError(f"label {self.name!r}: its roles are both {self.roles[0]!r}; they must differ")
        return self

    @model_validator(mode="after")
    def _said_by_at_least_one_phrase(self) -> "Label":
        if not self.phrases:
            self.phrases = [" and ".join(self.roles) if self.roles else self.name]
        return self


class Taxonomy(BaseModel):
    """The relations to choose from: between 2 and 26 labels with distinct names and phrases."""

    name: str = Field(min_length=1, max_length=60)
    labels: list[Label] = Field(min_length=2, max_length=26)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Taxonomy":
        names = [label.name.strip().lower() for label in self.labels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"labels: {', '.join(twice)} stands there more than once; names must be distinct")
        return self

    @model_validator(mode="after")
    def _no_phrase_says_two_labels(self) -> "Taxonomy":
        phrases = [phrase.lower() for label in self.labels for phrase in label.phrases]
        twice = sorted({phrase for phrase in phrases if phrases.count(phrase) > 1})
        if twice:
            raise ValueError(f"phrases: {', '.join(twice)} stands there more than once; phrases must be distinct")
        return self


def _kind_of_taxonomy(value: Any) -> str:
    """Only the asked kind reports its faults: the names where a name was given, the fields where an object was."""
    return "name" if isinstance(value, str) else "own"


TaxonomyChoice = Annotated[
    Annotated[Literal["pisc", "pipa"], Tag("name")] | Annotated[Taxonomy, Tag("own")], Discriminator(_kind_of_taxonomy)
]


SegmentText = Annotated[str, Field(min_length=1, max_length=6000)]


class Segments(BaseModel):
    """The four texts of a prompt."""

    system: SegmentText = Field(description="role and rules")
    expectation: SegmentText = Field(description="what comes in and what goes out")
    context: SegmentText = Field(description="what each label means; names every label")
    guidance: SegmentText = Field(description="hints and worked examples")


class ShippedPrompt(Segments):
    """The prompt that answers for a taxonomy where nobody has chosen another."""

    taxonomy: str
    name: str
    hash: str = Field(description="of the segments")


def prompt_hash(name: str, taxonomy: str, segments: dict[str, str]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a prompt's words; changes with every word."""
    told = {"name": name, "taxonomy": taxonomy} | segments
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


class FittedCalibration(BaseModel):
    """What a model prefers whatever the story says, and how sure it sounds, with one prompt."""

    model: str = Field(description="name of the model that it was fitted to; no other is served by it")
    log_prior: dict[str, float]
    temperature: float = Field(gt=0, description="that log-probabilities are divided by; above 1 makes unsure")
    n_stories: int
    source: str
    method: str = Field("label words", description="of scoring; numbers found otherwise are not served by it")
    held_out: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=list, description="probability of each right label by what was fitted to other stories"
    )


class ChosenPrompt(Segments):
    """A prompt of the caller's for a built-in taxonomy."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w .-]+$")
    calibration: FittedCalibration | None = None


class Question(BaseModel):
    """Ask for the relation of each pair; ``taxonomy`` names a built-in one or is the caller's own."""

    story: str
    pairs: list[tuple[Symbol, Symbol]] | None = Field(None, description="all pairs of the story's people if left out")
    taxonomy: TaxonomyChoice = "pisc"
    explain: bool = True
    abstain_below: float = Field(0.0, ge=0, le=1, description="abstain where the best probability is lower")
    coverage: float | None = Field(
        None, gt=0, lt=1, description="answer a set of labels, too, that holds the right one this often"
    )
    leave_out_sensitive: bool = Field(
        False, description="judge among the labels alone that are not flagged as sensitive; the operator may force it"
    )


class RelationsRequest(Question):
    """The question, and the prompt to ask it with."""

    prompt: ChosenPrompt | None = Field(None, description="the shipped prompt of the taxonomy if left out")


class Evidence(BaseModel):
    """A sentence of the story that speaks for the label."""

    sentence: str
    weight: float = Field(description="drop of the label's log-probability when the sentence is left out")


class Roles(BaseModel):
    """Who has which role in a directed relation."""

    people: dict[str, Symbol] = Field(description="role -> symbol", examples=[{"teacher": "P2", "student": "P1"}])
    probability: float = Field(description="of this against the other way round, as the model has it: not calibrated")


class Relation(BaseModel):
    """What one pair is to each other."""

    pair: tuple[Symbol, Symbol]
    label: str
    coarse: str | None
    probabilities: dict[str, float] = Field(description="every label of the taxonomy; sums to 1")
    abstained: bool
    label_set: list[str] | None = Field(
        None, description="likeliest first: holds the right label as often as `coverage` asked, on stories like those "
        "of the calibration; null where nothing was asked or no calibration serves"
    )  # fmt: skip
    roles: Roles | None = Field(None, description="null where the label is symmetric")
    explanation: str | None
    evidence: list[Evidence]


class GroupLabel(BaseModel):
    """A pair's label once all pairs are looked at together."""

    pair: tuple[Symbol, Symbol]
    label: str


class FiredRule(BaseModel):
    """A rule over three people that holds in the joint labels."""

    rule: str
    weight: float = Field(description="logarithm of how many times more often it holds in groups than by chance")
    pairs: list[tuple[Symbol, Symbol]]


class GroupReading(BaseModel):
    """The labels of all pairs that are likeliest together, by the pairs' probabilities and soft rules over three."""

    labels: list[GroupLabel]
    fired: list[FiredRule]
    method: Literal["exact", "loopy max-product"]


class RelationsResponse(BaseModel):
    """The relation of each pair, each by itself, and all of them together."""

    relations: list[Relation]
    group: GroupReading | None = Field(
        None, description="null where no three people have all three pairs asked, or the taxonomy has no rules"
    )
    taxonomy: str
    prompt: str = Field(description="name and content hash of the prompt")
    model: str
    method: str = Field(description="how the probabilities were found")
    warnings: list[str]
    timings_s: dict[str, float]


class FusionRequest(BaseModel):
    """Plain sentences of a story, each put together from its records."""

    sentences: list[Annotated[str, Field(min_length=1, max_length=600)]] = Field(min_length=1, max_length=20)


class FusedSentence(BaseModel):
    """``by`` the model, or the template's own where the model dropped or added a fact (``reason``)."""

    text: str
    by: Literal["model", "template"]
    reason: str | None


class FusionResponse(BaseModel):
    """A sentence for each of the request's, in their order: it rests on the same records."""

    sentences: list[FusedSentence]
    model: str


class LabelledStory(BaseModel):
    """A story, the pair asked for and their relation."""

    model_config = ConfigDict(extra="ignore")

    id: str
    story: str
    pair: tuple[Symbol, Symbol]
    label: str
    image: str | None = Field(
        None, description="of the photo behind it; pairs of one photo never stand on both sides of a split"
    )


ProposerName = Literal["gradient", "ucb", "tpe", "random", "halving"]


class SearchOptions(BaseModel):
    """The defaults are ours; ``proposer=gradient, accept=always`` is the published algorithm, its loss included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    proposer: ProposerName = Field(
        "gradient",
        description="where rivals come from: first-order estimates; upper confidence bounds of past gains; Optuna's "
        "tree of Parzen estimators; chance; or all single swaps, left to sequential halving",
    )
    accept: Literal["paired", "always"] = Field(
        "paired", description="move when a paired test on the same stories speaks for it, or always to the best rival"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1)
    batch: int = Field(8, ge=2, le=1024, description="stories of one step")
    top: int = Field(3, ge=1, le=50, description="rivals per segment")
    alpha: float = Field(0.1, gt=0, le=1, description="largest p-value with which a paired test speaks for a move")
    steps: int = Field(20, ge=1, le=10_000)
    patience: int = Field(6, ge=1, description="end after so many steps without a move")
    tokens: int | None = Field(None, ge=1, description="budget: tokens that the model may compute")
    seconds: float | None = Field(None, gt=0, description="budget: seconds of computing")
    money: float | None = Field(None, gt=0, description="budget in the currency of price_per_million_tokens")
    price_per_million_tokens: float | None = Field(None, gt=0, description="in any currency")

    @model_validator(mode="after")
    def _money_has_a_price(self) -> "SearchOptions":
        if (self.money is None) != (self.price_per_million_tokens is None):
            raise ValueError("money, price_per_million_tokens: give both or neither")
        return self

    @property
    def published(self) -> bool:
        """Greedy Segment Prompt Optimization as in the paper."""
        return self.proposer == "gradient" and self.accept == "always"


class SegmentPools(BaseModel):
    """For one taxonomy: the texts that may stand in each segment of the prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    taxonomy: str
    system: list[SegmentText] = Field(min_length=1, max_length=200)
    expectation: list[SegmentText] = Field(min_length=1, max_length=200)
    context: list[SegmentText] = Field(min_length=1, max_length=200)
    guidance: list[SegmentText] = Field(min_length=1, max_length=200)


MAX_STORIES: Final = 5000
LabelledStories = Annotated[list[LabelledStory], Field(min_length=1, max_length=MAX_STORIES)]


class SearchQuestion(BaseModel):
    """What a prompt search is asked."""

    stories: LabelledStories
    taxonomy: TaxonomyChoice = "pisc"
    pools: SegmentPools | None = Field(None, description="those that ship if left out")
    options: SearchOptions = SearchOptions()


class SearchEstimate(BaseModel):
    """Tokens that the model will compute at most: every step moves, and nothing was computed before."""

    step: int
    search: int
    judging: int = Field(description="start and best prompt on all stories, at the end; not part of the budget")
    money: float | None = Field(description="in the currency of price_per_million_tokens; null where none is given")


class SearchRequest(SearchQuestion):
    """A prompt search and all that happened in it so far."""

    events: list[dict[str, Any]] = Field(default_factory=list, description="of the calls before, in order")
    slice_s: float = Field(20.0, gt=0, le=300, description="answer after about so many seconds, finished or not")


class SearchProgress(BaseModel):
    """What a call adds to a search. ``finished`` holds the outcome once there is one."""

    events: list[dict[str, Any]]
    step: int
    steps: int
    tokens: int
    seconds: float = Field(description="of computing so far")
    loss: float | None = Field(description="of the current prompt on the last batch")
    best_loss: float | None = Field(description="the smallest on the validation stories")
    outcome: dict[str, Any] | None
    report: str | None = Field(description="HTML page")
    prompt: ChosenPrompt | None = Field(description="the best one")


FEWEST_OF_A_LABEL: Final = 2
"""An evaluation needs as many stories for each label, so that some can be judged by what was fitted to the others."""


class EvaluationRequest(BaseModel):
    """Judge labelled stories, those of ``scores`` left out: they were judged by a call before."""

    stories: LabelledStories
    taxonomy: TaxonomyChoice = "pisc"
    prompt: ChosenPrompt | None = None
    stories_sha256: str = Field("", description="of the file they come from: what was fitted to it never judges it")
    scores: dict[str, list[float]] = Field(
        default_factory=dict, description="story's id -> log-probabilities of the labels"
    )
    slice_s: float = Field(20.0, gt=0, le=300)


class EvaluationProgress(BaseModel):
    """Scores that the call added; the evaluation once all stories are judged."""

    scores: dict[str, list[float]]
    evaluation: dict[str, Any] | None
