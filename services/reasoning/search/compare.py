"""Ways to search against each other: one step of ours against the published one, all proposers at equal tokens."""

from collections.abc import Callable
from typing import Any

from services.reasoning.llm import LanguageModel
from services.reasoning.schemas import Method, SearchOptions, Taxonomy
from services.reasoning.search.events import Event, Graded, Scored, Stepped, Targeted
from services.reasoning.search.outcome import outcome
from services.reasoning.search.pools import Pools
from services.reasoning.search.run import Search
from services.reasoning.search.split import Split

PROPOSERS = ("gradient", "ucb", "tpe", "random", "halving")


def compare_steps(
    model: LanguageModel[Any],
    taxonomy: Taxonomy,
    pools: Pools,
    *,
    split: Split,
    options: SearchOptions,
    method: Method,
) -> dict[str, dict[str, float]]:
    """Tokens and seconds of one step, published against ours, from the same start; and how many times less ours are."""
    ways = {"published": {"accept": "always"}, "ours": {"accept": "paired"}}
    figures = {}
    for name, change in ways.items():
        asked = SearchOptions.model_validate(options.model_dump() | change | {"proposer": "gradient", "steps": 1})
        spent = _of_first_step(Search(model, taxonomy, pools, split=split, options=asked, method=method))
        figures[name] = {
            "tokens": sum(event.tokens for event in spent),
            "seconds": round(sum(event.seconds for event in spent), 2),
        }
    figures["times_less"] = {key: round(figures["published"][key] / figures["ours"][key], 2) for key in figures["ours"]}
    return figures


def _of_first_step(search: Search[Any]) -> list[Event]:
    """What the first step computed; the start's validation before it is left out."""
    found: list[Event] = []
    validation = {story.id for story in search.split.validation}
    for event in search.run():
        if isinstance(event, Stepped):
            break
        if isinstance(event, Scored | Graded | Targeted) and getattr(event, "story", None) not in validation:
            found.append(event)
    return found


def compare_proposers(
    model: LanguageModel[Any],
    taxonomy: Taxonomy,
    pools: Pools,
    *,
    split: Split,
    options: SearchOptions,
    method: Method,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Each proposer until ``options.tokens`` are spent -> validation loss, test figures, tokens, steps."""
    rows = []
    for proposer in PROPOSERS:
        asked = SearchOptions.model_validate(options.model_dump() | {"proposer": proposer, "accept": "paired"})
        search = Search(model, taxonomy, pools, split=split, options=asked, method=method)
        for event in search.run():
            if isinstance(event, Stepped):
                tell(f"{proposer}: step {event.step}, {search.ledger.tokens:,} tokens, loss {event.loss:.3f}")
        found = outcome(search, model.name)
        rows.append(
            {
                "proposer": proposer,
                "validation_loss_start": round(found.start.validation_loss, 4),
                "validation_loss": round(found.best.validation_loss, 4),
                "nll_before": round(found.test.nll_before, 4),
                "nll_after": round(found.test.nll_after, 4),
                "accuracy_before": round(found.test.accuracy_before, 4),
                "accuracy_after": round(found.test.accuracy_after, 4),
                "steps": found.steps,
                "tokens": found.search_tokens,
            }
        )
    return rows
