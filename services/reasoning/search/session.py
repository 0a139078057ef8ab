"""A search in a folder: journal, report, prompt. The same call goes on where it was stopped or killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.reasoning.llm import LanguageModel
from services.reasoning.schemas import Method, SearchOptions, Taxonomy
from services.reasoning.search.events import Scored, Stepped, Validated
from services.reasoning.search.journal import Journal
from services.reasoning.search.outcome import Outcome, outcome
from services.reasoning.search.pools import Pools
from services.reasoning.search.report import write_report
from services.reasoning.search.run import Search
from services.reasoning.search.split import Split


def run_search(
    model: LanguageModel[Any],
    taxonomy: Taxonomy,
    pools: Pools,
    *,
    split: Split,
    options: SearchOptions,
    method: Method,
    folder: Path,
    about: dict[str, object],
    tell: Callable[[str], None],
) -> Outcome:
    """Run to the end, or what is left of it. ``about`` identifies the search; ``tell`` hears of each step."""
    journal = Journal(folder / "journal.jsonl", about)
    search = Search(model, taxonomy, pools, split=split, options=options, method=method, past=journal.events)
    if journal.events:
        tell(f"goes on after step {len(search.ledger.steps)} with {search.ledger.tokens:,} tokens spent")
    for event in search.run():
        journal.write([event])
        match event:
            case Stepped():
                best = min((found.loss for found in search.ledger.validated), default=event.loss)
                tell(
                    f"step {event.step + 1}/{options.steps} by {event.proposer}: loss {event.loss:.3f}, "
                    f"best on validation {best:.3f}, {'moves' if event.before != event.after else 'stays'}, "
                    f"{search.ledger.tokens:,} tokens, {search.ledger.seconds:,.0f} s"
                )
            case Validated():
                tell(f"validation: loss {event.loss:.3f}, accuracy {event.accuracy:.2f}")
            case Scored() if len(search.ledger.rows) == 1:
                tell(f"the first story took {event.seconds:.1f} s for {event.tokens:,} tokens")
    result = outcome(search, model.name)
    write_report(folder, result, journal.events)
    return result
