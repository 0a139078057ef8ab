"""The search itself, as a stream of events; each is yielded as soon as it is known and never computed again."""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.reasoning.llm import LanguageModel, LogProbs, PrefixT
from services.reasoning.schemas import LabelledStory, Method, SearchOptions, Taxonomy
from services.reasoning.scoring import DEFAULT_METHOD
from services.reasoning.search.acceptance import paired_p_value
from services.reasoning.search.events import Event, Graded, Scored, Stepped, Stopped, Targeted, Trial, Validated
from services.reasoning.search.halving import rungs, survivors
from services.reasoning.search.objective import loss_gradient, losses
from services.reasoning.search.pools import START, Choice, Pools, differing, swap
from services.reasoning.search.proposer import random_swaps, top_swaps, tpe_choices, ucb_swaps
from services.reasoning.search.reading import StoryReader
from services.reasoning.search.split import Split, stratified_order

TRUSTED_CORRELATION: Final = 0.1
"""Below this mean rank correlation with measured differences the gradient is no better than chance."""
JUDGED_STEPS: Final = 3
"""After so many steps the gradient is judged by its correlations."""


@dataclass
class Ledger:
    """What the events so far say."""

    rows: dict[tuple[Choice, str], list[float]] = field(default_factory=dict)
    target_losses: dict[tuple[Choice, str], float] = field(default_factory=dict)
    graded: dict[int, list[list[float]]] = field(default_factory=dict)
    steps: list[Stepped] = field(default_factory=list)
    validated: list[Validated] = field(default_factory=list)
    stopped: Stopped | None = None
    tokens: int = 0
    seconds: float = 0.0
    search_tokens: int = 0
    """Up to the stop, without the judging at the end."""

    def note(self, event: Event) -> None:
        """Take an event in; all that the search knows follows from its events in order."""
        self.tokens += event.tokens
        self.seconds += event.seconds
        match event:
            case Scored():
                self.rows[event.choice, event.story] = event.scores
            case Targeted():
                self.target_losses[event.choice, event.story] = event.loss
            case Graded():
                self.graded[event.step] = event.changes
            case Stepped():
                self.steps.append(event)
            case Validated():
                self.validated.append(event)
            case Stopped():
                self.stopped = event
                self.search_tokens = self.tokens

    @property
    def current(self) -> Choice:
        return self.steps[-1].after if self.steps else START

    @property
    def best(self) -> Choice:
        """The incumbent: the smallest loss on the validation stories, the earliest of equals."""
        return min(self.validated, key=lambda event: event.loss).choice if self.validated else START


class Search(Generic[PrefixT]):
    """One search; ``past`` are its events so far. The same seed gives the same events, whatever the interruptions."""

    def __init__(
        self,
        model: LanguageModel[PrefixT],
        taxonomy: Taxonomy,
        pools: Pools,
        *,
        split: Split,
        options: SearchOptions,
        method: Method = DEFAULT_METHOD,
        past: Sequence[Event] = (),
    ) -> None:
        """Raises ``invalid_request`` where gradients are asked of a model that cannot give them."""
        if options.proposer == "gradient" and not hasattr(model, "network"):
            raise ProblemError(
                "invalid_request",
                f"proposer: 'gradient' needs gradients, and {model.name} gives losses only; load the model by "
                "transformers (RACONTEUR_LLM_RUNTIME=transformers), or take ucb, tpe, random or halving",
                param="proposer",
            )
        self._model, self.taxonomy, self.method = model, taxonomy, method
        self.pools, self.split, self.options = pools, split, options
        self.labels = [label.name for label in taxonomy.labels]
        self._reader = StoryReader(model, pools, taxonomy, method)
        self.ledger = Ledger()
        for event in past:
            self.ledger.note(event)

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> Generator[Event, None, None]:
        """Events up to the stop, then the scores that the outcome needs. May be left at any event."""
        try:
            for event in self._events():
                self.ledger.note(event)
                yield event
        finally:
            self._reader.close()

    def _events(self) -> Iterator[Event]:
        ledger = self.ledger
        if not ledger.validated:
            yield from self._validate(0, START)
        while ledger.stopped is None:
            if ledger.steps and not any(event.step == len(ledger.steps) for event in ledger.validated):
                yield from self._validate_if_moved(len(ledger.steps))
            reason = self._reason_to_stop()
            if reason is not None:
                yield Stopped(reason=reason)
                break
            step = len(ledger.steps)
            yield from (self._published_step(step) if self.options.published else self._step(step))
        for choice in dict.fromkeys((START, ledger.best)):
            yield from self._score(choice, [*self.split.train, *self.split.validation, *self.split.test])
        for segment in differing(ledger.best, START):
            yield from self._score(swap(ledger.best, segment, START[segment]), self.split.validation)

    def _reason_to_stop(self) -> Literal["steps", "tokens", "seconds", "money", "patience"] | None:
        options, ledger = self.options, self.ledger
        recent = ledger.steps[-options.patience :]
        if len(ledger.steps) >= options.steps:
            return "steps"
        if options.tokens is not None and ledger.tokens >= options.tokens:
            return "tokens"
        if options.seconds is not None and ledger.seconds >= options.seconds:
            return "seconds"
        if options.money is not None and options.price_per_million_tokens is not None:
            spent = ledger.tokens / 1e6 * options.price_per_million_tokens
            if spent >= options.money:
                return "money"
        if len(recent) == options.patience and all(step.before == step.after for step in recent):
            return "patience"
        return None

    # -- one step --------------------------------------------------------------------------------------------------

    def _step(self, step: int) -> Generator[Event, None, None]:
        options, current = self.options, self.ledger.current
        batch = stratified_order(self.split.train, options.seed, step)[: options.batch]
        yield from self._score(current, batch)
        # 1. Who are the rivals?
        proposer = self._proposer()
        rivals = yield from self._propose(step, proposer, batch)
        # 2. Sequential halving, the current prompt on the same stories
        differences: dict[Choice, NDArray[np.float64]] = {}
        left = sorted(rivals)  # prompts that begin alike follow each other and share what is read
        for n_stories in rungs(len(batch)):
            stories = batch[:n_stories]
            truth = self.truth(stories)
            base = losses(self.matrix(current, stories), truth)
            for rival in left:
                yield from self._score(rival, stories)
                differences[rival] = losses(self.matrix(rival, stories), truth) - base
            best = sorted(left, key=lambda rival: (differences[rival].mean(), rival))
            left = sorted(best[: survivors(len(best))])
        # 3. Move, if the best one is better by more than chance
        winner = best[0]
        p_value = paired_p_value(differences[winner])
        accepted = options.accept == "always" or (differences[winner].mean() < 0 and p_value <= options.alpha)
        yield Stepped(
            step=step,
            proposer=proposer,
            before=current,
            after=winner if accepted else current,
            loss=float(losses(self.matrix(current, batch), self.truth(batch)).mean()),
            trials=[Trial(choice=c, n=len(d), difference=float(d.mean())) for c, d in sorted(differences.items())],
            p_value=p_value,
            correlation=self._correlation(step, differences),
        )

    def _proposer(self) -> str:
        """The one asked for; the gradient gives way once its ranks are no better than chance."""
        if self.options.proposer != "gradient":
            return self.options.proposer
        found = [step.correlation for step in self.ledger.steps if step.correlation is not None]
        trusted = len(found) < JUDGED_STEPS or float(np.mean(found)) >= TRUSTED_CORRELATION
        return "gradient" if trusted else "ucb"

    def _propose(
        self, step: int, proposer: str, batch: Sequence[LabelledStory]
    ) -> Generator[Event, None, list[Choice]]:
        options, current = self.options, self.ledger.current
        rng = np.random.default_rng([options.seed, 2, step])
        count = options.top * len(self.pools.sizes)
        if proposer == "gradient":
            yield from self._grade(step, batch)
            return top_swaps(self.ledger.graded[step], current, options.top)
        if proposer == "ucb":
            return ucb_swaps(self.pools, current, self.ledger.steps, count, rng)
        if proposer == "tpe":
            return tpe_choices(self.pools, current, self.ledger.steps, count, int(rng.integers(2**31)))
        if proposer == "random":
            return random_swaps(self.pools, current, count, rng)
        return self.pools.neighbours(current)

    def _grade(self, step: int, batch: Sequence[LabelledStory]) -> Generator[Event, None, None]:
        from services.reasoning.search.gradient import loss_changes  # noqa: PLC0415 - torch, only where it is used

        if step in self.ledger.graded:
            return
        clock = _Clock(self._model)
        current = self.ledger.current
        weights = loss_gradient(self.matrix(current, batch), self.truth(batch))
        changes = loss_changes(
            self._model,  # type: ignore[arg-type]
            self.pools,
            current,
            batch,
            taxonomy=self.taxonomy,
            method=self.method,
            weights=weights,
        )
        yield Graded(step=step, changes=changes, **clock.spent())

    def _correlation(self, step: int, differences: dict[Choice, NDArray[np.float64]]) -> float | None:
        """Spearman's, over the first round of halving, which all rivals share; None without a gradient."""
        if step not in self.ledger.graded:
            return None
        changes, current = self.ledger.graded[step], self.ledger.current
        rivals = list(differences)
        fewest = min(len(found) for found in differences.values())
        measured = np.array([differences[rival][:fewest].mean() for rival in rivals])
        estimated = np.array([sum(changes[s][c] for s, c in enumerate(rival) if c != current[s]) for rival in rivals])
        return spearman(estimated, measured)

    # -- the published step ----------------------------------------------------------------------------------------

    def _published_step(self, step: int) -> Generator[Event, None, None]:
        options, current = self.options, self.ledger.current
        rng = np.random.default_rng([options.seed, 3, step])
        train = self.split.train
        batch = [train[index] for index in rng.permutation(len(train))[: options.batch]]
        yield from self._published_gradient(step, batch)
        rivals = top_swaps(self.ledger.graded[step], current, options.top, stay=True)
        mean_loss: dict[Choice, float] = {}
        for rival in rivals:
            yield from self._target(rival, batch)
            mean_loss[rival] = float(np.mean([self.ledger.target_losses[rival, story.id] for story in batch]))
        winner = min(rivals, key=lambda rival: mean_loss[rival])
        middle = float(np.mean(list(mean_loss.values())))
        yield Stepped(
            step=step,
            proposer="gradient",
            before=current,
            after=winner,
            loss=mean_loss[winner],
            trials=[Trial(choice=c, n=len(batch), difference=mean_loss[c] - middle) for c in rivals],
        )

    def _published_gradient(self, step: int, batch: Sequence[LabelledStory]) -> Generator[Event, None, None]:
        from services.reasoning.search.published import choice_gradient  # noqa: PLC0415 - torch, only where it is used

        if step in self.ledger.graded:
            return
        clock, current = _Clock(self._model), self.ledger.current
        sums = [np.zeros(size) for size in self.pools.sizes]
        for story in batch:
            for segment in range(len(sums)):
                sums[segment] += choice_gradient(self._model, self.pools, current, segment, story)  # type: ignore[arg-type]
        yield Graded(step=step, changes=[found.tolist() for found in sums], **clock.spent())

    def _target(self, choice: Choice, stories: Sequence[LabelledStory]) -> Generator[Event, None, None]:
        from services.reasoning.search.published import target_loss  # noqa: PLC0415 - torch, only where it is used

        for story in stories:
            if (choice, story.id) not in self.ledger.target_losses:
                clock = _Clock(self._model)
                loss = target_loss(self._model, self.pools, choice, story)  # type: ignore[arg-type]
                yield Targeted(choice=choice, story=story.id, loss=loss, **clock.spent())

    # -- scores ----------------------------------------------------------------------------------------------------

    def _validate_if_moved(self, step: int) -> Generator[Event, None, None]:
        last = self.ledger.steps[-1]
        if last.before != last.after:
            yield from self._validate(step, last.after)

    def _validate(self, step: int, choice: Choice) -> Generator[Event, None, None]:
        stories = self.split.validation
        yield from self._score(choice, stories)
        scores, truth = self.matrix(choice, stories), self.truth(stories)
        right = (scores - scores.mean(axis=0)).argmax(axis=1) == truth
        loss = float(losses(scores, truth).mean())
        yield Validated(step=step, choice=choice, loss=loss, accuracy=float(right.mean()))

    def _score(self, choice: Choice, stories: Sequence[LabelledStory]) -> Generator[Event, None, None]:
        for story in stories:
            if (choice, story.id) not in self.ledger.rows:
                clock = _Clock(self._model)
                scores = self._reader.scores(choice, story)
                yield Scored(choice=choice, story=story.id, scores=[float(s) for s in scores], **clock.spent())

    def matrix(self, choice: Choice, stories: Sequence[LabelledStory]) -> LogProbs:
        return np.array([self.ledger.rows[choice, story.id] for story in stories])

    def truth(self, stories: Sequence[LabelledStory]) -> NDArray[np.intp]:
        return np.array([self.labels.index(story.label) for story in stories])


class _Spent(TypedDict):
    tokens: int
    seconds: float


class _Clock:
    """Tokens and seconds since it was made."""

    def __init__(self, model: LanguageModel[Any]) -> None:
        self._model, self._tokens, self._began = model, model.tokens_read, time.perf_counter()

    def spent(self) -> _Spent:
        seconds = round(time.perf_counter() - self._began, 4)
        return {"tokens": self._model.tokens_read - self._tokens, "seconds": seconds}


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Rank correlation; 0 where one of the two is constant. Ties share their mean rank."""
    ranks = [np.array([((v < x).sum() + (v <= x).sum()) / 2 for x in v]) for v in (first, second)]
    if any(float(found.std()) == 0 for found in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
