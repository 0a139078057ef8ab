from collections import Counter

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.reasoning.schemas import SearchOptions
from services.reasoning.search.events import Event, Graded, Scored, Stepped, Stopped, Targeted, Validated
from services.reasoning.search.outcome import outcome
from services.reasoning.search.pools import START, differing
from services.reasoning.search.run import JUDGED_STEPS, TRUSTED_CORRELATION, Search, spearman
from services.reasoning.search.split import split_stories
from services.reasoning.transformers_lm import TransformersModel
from tests.reasoning.search.prompted_fake import PromptedFake
from tests.reasoning.search.stories import POOLS, TAXONOMY, make_stories

SPLIT = split_stories(make_stories(12), seed=0)


def search(model=None, past: list[Event] | None = None, **options: object) -> Search:
    asked = SearchOptions.model_validate({"proposer": "halving", "steps": 6} | options)
    return Search(model or PromptedFake(), TAXONOMY, POOLS, split=SPLIT, options=asked, past=past or [])


def told(events: list[Event]) -> list[dict]:
    """All but the costs: seconds differ from run to run, and a run that goes on reads its prompt once more."""
    return [event.model_dump(exclude={"seconds", "tokens"}) for event in events]


@pytest.mark.parametrize("proposer", ["ucb", "tpe", "random", "halving"])
def test_every_proposer_finds_the_texts_that_help(proposer: str):
    looked = search(proposer=proposer, steps=8, batch=12)
    list(looked.run())
    found = outcome(looked, "fake")
    assert (found.best.choice[0], found.best.choice[3]) == (1, 1)
    assert found.test.accuracy_after > found.test.accuracy_before + 0.3
    assert found.test.p_value < 0.01 and found.test.nll_p_value < 0.01
    assert found.attribution["system"] > 0.1 and found.attribution["guidance"] > 0.1


def test_where_no_text_helps_it_stays_until_patience_ends():
    looked = search(PromptedFake(helpful=("nothing",)), alpha=0.01, patience=4)
    events = list(looked.run())
    assert outcome(looked, "fake").best.choice == START
    assert [event.reason for event in events if isinstance(event, Stopped)] == ["patience"]


def test_accept_always_moves_even_then():
    events = list(search(PromptedFake(helpful=("nothing",)), accept="always", steps=4).run())
    assert all(event.before != event.after for event in events if isinstance(event, Stepped))


@pytest.mark.parametrize("proposer", ["ucb", "tpe"])
def test_the_same_seed_gives_the_same_events_and_another_seed_others(proposer: str):
    first, again, other = (list(search(proposer=proposer, steps=2, seed=seed).run()) for seed in (5, 5, 6))
    assert told(first) == told(again) != told(other)


def test_left_at_any_event_it_goes_on_as_if_it_had_not_been():
    whole = list(search(steps=3, proposer="ucb").run())
    for cut in (1, 5, len(whole) // 3, len(whole) // 2, len(whole) - 2):
        rest = list(search(steps=3, proposer="ucb", past=whole[:cut]).run())
        assert told(whole[:cut] + rest) == told(whole)


def test_nothing_is_computed_twice():
    events = list(search(steps=6).run())
    rows = Counter((event.choice, event.story) for event in events if isinstance(event, Scored))
    assert max(rows.values()) == 1


def test_test_stories_are_looked_at_once_and_only_after_the_end():
    events = list(search(steps=6).run())
    stop = next(index for index, event in enumerate(events) if isinstance(event, Stopped))
    judged = {story.id for story in SPLIT.test}
    assert not [event for event in events[:stop] if isinstance(event, Scored) and event.story in judged]
    seen = {event.choice for event in events[stop:] if isinstance(event, Scored) and event.story in judged}
    assert len(seen) == 2


def test_the_current_prompt_is_scored_on_the_stories_of_its_rivals():
    events = list(search(steps=1).run())
    (step,) = [event for event in events if isinstance(event, Stepped)]
    batch = {event.story for event in events if isinstance(event, Scored)} & {story.id for story in SPLIT.train}
    scored = {event.story for event in events if isinstance(event, Scored) and event.choice == step.before}
    assert batch <= scored


def test_half_of_the_rivals_go_on_to_twice_as_many_stories():
    events = list(search(steps=1, batch=8).run())
    (step,) = [event for event in events if isinstance(event, Stepped)]
    assert Counter(trial.n for trial in step.trials) == {4: 4, 8: 4}


def test_a_budget_of_tokens_ends_it():
    looked = search(steps=50, tokens=6_000, patience=50, accept="always")
    list(looked.run())
    assert looked.ledger.stopped.reason == "tokens"
    assert 6_000 <= looked.ledger.search_tokens < 12_000


def test_a_budget_of_money_is_one_of_tokens_at_a_price():
    looked = search(steps=50, money=0.006, price_per_million_tokens=1.0, patience=50, accept="always")
    list(looked.run())
    assert looked.ledger.stopped.reason == "money" and looked.ledger.search_tokens >= 6_000


def test_the_best_is_what_validation_says():
    looked = search(steps=6, accept="always")
    events = list(looked.run())
    validated = [event for event in events if isinstance(event, Validated)]
    assert looked.ledger.best == min(validated, key=lambda event: event.loss).choice


def test_gradients_are_refused_to_a_model_that_gives_losses_only():
    with pytest.raises(ProblemError, match="losses only") as caught:
        search(proposer="gradient")
    assert caught.value.param == "proposer"


def test_the_gradients_rank_correlation_is_told_each_step_and_decides_whether_it_is_trusted(
    tiny_torch: TransformersModel,
):
    steps = [
        event
        for event in search(tiny_torch, proposer="gradient", steps=4, top=1, batch=4, patience=9).run()
        if isinstance(event, Stepped)
    ]
    assert [step.proposer for step in steps[:JUDGED_STEPS]] == ["gradient"] * JUDGED_STEPS
    assert all(-1 <= step.correlation <= 1 for step in steps[:JUDGED_STEPS])
    mean = np.mean([step.correlation for step in steps[:JUDGED_STEPS]])
    assert steps[JUDGED_STEPS].proposer == ("gradient" if mean >= TRUSTED_CORRELATION else "ucb")


@pytest.mark.parametrize(("correlation", "proposer"), [(-0.2, "ucb"), (0.5, "gradient")])
def test_a_gradient_without_correlation_gives_way(tiny_torch: TransformersModel, correlation: float, proposer: str):
    past: list[Event] = [Validated(step=0, choice=START, loss=1.0, accuracy=0.3)]
    past += [
        Stepped(step=step, proposer="gradient", before=START, after=START, loss=1.0, trials=[], correlation=correlation)
        for step in range(JUDGED_STEPS)
    ]
    events = search(tiny_torch, proposer="gradient", steps=9, top=1, batch=4, past=past).run()
    assert next(event for event in events if isinstance(event, Stepped)).proposer == proposer


def test_the_published_algorithm_moves_to_the_smallest_batch_loss_among_the_steepest_swaps(
    tiny_torch: TransformersModel,
):
    events = list(search(tiny_torch, proposer="gradient", accept="always", steps=2, top=2, batch=2).run())
    (first, second) = [event for event in events if isinstance(event, Stepped)]
    slopes = next(event for event in events if isinstance(event, Graded)).changes
    expected = {(segment, int(index)) for segment in range(4) for index in np.argsort(slopes[segment])[:2]}
    tried = {(s, trial.choice[s]) for trial in first.trials for s in (differing(START, trial.choice) or range(4))}
    assert {(s, c) for s, c in expected if c != START[s]} <= tried
    losses = {
        trial.choice: np.mean([e.loss for e in events if isinstance(e, Targeted) and e.choice == trial.choice][:2])
        for trial in first.trials
    }
    assert losses[first.after] == min(losses.values()) and second.before == first.after


def test_options_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="give both or neither"):
        SearchOptions(money=1.0)


def test_spearman_knows_order_and_ties():
    rising = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(rising, rising**3) == pytest.approx(1)
    assert spearman(rising, -rising) == pytest.approx(-1)
    assert spearman(rising, np.ones(4)) == 0
    assert spearman(rising, np.array([1.0, 2.0, 2.0, 3.0])) == pytest.approx(0.9487, abs=1e-4)
