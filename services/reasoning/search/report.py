"""The report of a search: one HTML page that needs nothing else, and the best prompt as JSON and as text."""

import io
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from services.reasoning.prompt import SEGMENTS
from services.reasoning.search.events import Event, Graded, Scored, Stepped, Targeted, Validated
from services.reasoning.search.outcome import Outcome

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:left}"
    "pre{white-space:pre-wrap;background:#f6f6f4;padding:1rem}svg{max-width:100%;height:auto}"
)


def write_report(folder: Path, outcome: Outcome, events: Sequence[Event]) -> None:
    """``report.html``, ``outcome.json``, ``prompt.json`` and ``prompt.txt`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(report_html(outcome, events), encoding="utf-8")
    (folder / "outcome.json").write_text(outcome.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "prompt.json").write_text(json.dumps(exported(outcome), indent=2) + "\n", encoding="utf-8")
    text = "\n\n".join(outcome.best.segments[segment] for segment in SEGMENTS)
    (folder / "prompt.txt").write_text(text + "\n", encoding="utf-8")


def exported(outcome: Outcome) -> dict[str, Any]:
    """The best prompt as ``POST /v1/prompts`` takes it."""
    return {
        "name": outcome.taxonomy,
        "taxonomy": outcome.taxonomy,
        **outcome.best.segments,
        "parent": outcome.start.identity,
        "model": outcome.model,
        "figures": outcome.test.model_dump(mode="json"),
    }


def report_html(outcome: Outcome, events: Sequence[Event]) -> str:
    """Loss, accuracy with intervals, what each segment gave, cost, every step, and both prompts."""
    steps = [event for event in events if isinstance(event, Stepped)]
    test = outcome.test
    rows = [
        (
            step.step,
            step.proposer,
            f"{step.loss:.3f}",
            f"{min((t.difference for t in step.trials), default=0.0):+.3f}",
            "" if step.p_value is None else f"{step.p_value:.3f}",
            "" if step.correlation is None else f"{step.correlation:+.2f}",
            "stays" if step.before == step.after else f"{step.before} to {step.after}",
        )
        for step in steps
    ]
    head = ("step", "proposer", "loss", "best difference", "p", "gradient's rank correlation", "move")
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Prompt search</title><style>{_STYLE}</style>",
            f"<h1>Prompt search, {escape(outcome.taxonomy)}</h1>",
            f"<p>{escape(outcome.model)}; {outcome.steps} steps, ended by {outcome.stopped}; {outcome.tokens:,} "
            f"tokens, {outcome.seconds:,.0f} s.</p>",
            f"<p>Options: {escape(outcome.options.model_dump_json(exclude_none=True))}</p>",
            f"<h2>On {test.n} stories that the search never saw</h2>",
            _table(
                ("", "start", "best", "p"),
                [
                    (
                        "accuracy [95 %]",
                        _interval(test.accuracy_before, test.accuracy_before_interval),
                        _interval(test.accuracy_after, test.accuracy_after_interval),
                        f"{test.p_value:.3f} (exact McNemar)",
                    ),
                    (
                        "negative log-likelihood",
                        f"{test.nll_before:.3f}",
                        f"{test.nll_after:.3f}",
                        f"{test.nll_p_value:.3f} (sign flips, one-sided)",
                    ),
                ],
            ),
            _accuracy_plot(outcome),
            "<h2>Loss</h2>",
            _loss_plot(steps, events),
            "<h2>What each changed segment gives</h2><p>Validation loss that comes back when it alone is undone.</p>",
            _table(("segment", "loss saved"), [(name, f"{gain:+.3f}") for name, gain in outcome.attribution.items()]),
            "<h2>Cost</h2>",
            _table(("work", "tokens", "seconds"), _costs(events)),
            "<h2>Steps</h2>",
            _table(head, rows),
            "<h2>Prompts</h2>",
            *(
                f"<h3>{escape(segment)}</h3><p>start</p><pre>{escape(outcome.start.segments[segment])}</pre>"
                f"<p>best</p><pre>{escape(outcome.best.segments[segment])}</pre>"
                for segment in SEGMENTS
            ),
            "</html>",
        ]
    )


def _interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "<p>None.</p>"
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _costs(events: Sequence[Event]) -> list[tuple[str, str, str]]:
    works = {"scores of stories": (Scored, Targeted), "gradients": (Graded,)}
    found = []
    for name, kinds in works.items():
        of_kind = [event for event in events if isinstance(event, kinds)]
        tokens, seconds = sum(event.tokens for event in of_kind), sum(event.seconds for event in of_kind)
        found.append((f"{len(of_kind)} {name}", f"{tokens:,}", f"{seconds:,.1f}"))
    return found


def _loss_plot(steps: Sequence[Stepped], events: Sequence[Event]) -> str:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([step.step for step in steps], [step.loss for step in steps], ".-", color="0.6", label="batch, current")
    validated = [event for event in events if isinstance(event, Validated)]
    best = [min(event.loss for event in validated[: i + 1]) for i in range(len(validated))]
    axes.step([event.step for event in validated], best, where="post", color="C0", label="validation, best so far")
    axes.plot(
        [event.step for event in validated], [event.loss for event in validated], "o", color="C0", label="validation"
    )
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats")
    axes.legend(frameon=False)
    return _svg(figure)


def _accuracy_plot(outcome: Outcome) -> str:
    test = outcome.test
    figure = Figure(figsize=(6, 1.6), layout="constrained")
    axes = figure.subplots()
    rows = [("best", test.accuracy_after, test.accuracy_after_interval)]
    rows.append(("start", test.accuracy_before, test.accuracy_before_interval))
    for place, (_, value, (low, high)) in enumerate(rows):
        axes.errorbar([value], [place], xerr=[[value - low], [high - value]], fmt="o", capsize=4, color="C0")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(-0.5, 1.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy, 95 % interval")
    return _svg(figure)


def _svg(figure: Figure) -> str:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]
