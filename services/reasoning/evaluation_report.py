"""An evaluation as one HTML page that needs nothing else: figures, confusion matrix, reliability, risk and coverage."""

import io
from html import escape

import numpy as np
from matplotlib.figure import Figure

from services.reasoning.evaluation import Evaluation

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:left}"
    "svg{max-width:100%;height:auto}"
)


def evaluation_html(evaluation: Evaluation) -> str:
    """The page."""
    low, high = evaluation.accuracy_interval
    figures = {
        "accuracy [95 %]": f"{evaluation.accuracy:.3f} [{low:.3f}, {high:.3f}]",
        "coarse accuracy": "-" if evaluation.coarse_accuracy is None else f"{evaluation.coarse_accuracy:.3f}",
        "macro F1": f"{evaluation.macro_f1:.3f}",
        "negative log-likelihood": f"{evaluation.nll:.3f}",
        "expected calibration error": f"{evaluation.ece:.3f}",
        "area under risk and coverage": f"{evaluation.aurc:.3f}",
    } | {
        f"labels that change with {what}": f"{flips.flipped} of {flips.n} ({flips.rate:.0%})"
        for what, flips in evaluation.flips.items()
    }
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{value}</td></tr>" for name, value in figures.items())
    classes = "".join(
        f"<tr><th>{escape(name)}</th><td>{f.n}</td><td>{f.precision:.2f}</td>"
        f"<td>{f.recall:.2f}</td><td>{f.f1:.2f}</td></tr>"
        for name, f in evaluation.per_class.items()
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "n", "precision", "recall", "F1"))
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Evaluation</title><style>{_STYLE}</style>",
            f"<h1>Evaluation on {evaluation.n} stories</h1>",
            f"<p>{escape(evaluation.model)}, prompt {escape(evaluation.prompt)}. {escape(evaluation.method)}</p>",
            f"<table>{rows}</table><h2>Labels</h2><table><tr>{head}</tr>{classes}</table>",
            f"<h2>Confusion</h2>{_confusion(evaluation)}",
            f"<h2>Reliability</h2>{_reliability(evaluation)}",
            f"<h2>Risk and coverage</h2>{_risk(evaluation)}</html>",
        ]
    )


def _confusion(evaluation: Evaluation) -> str:
    """Rows are the right labels, columns the answers."""
    labels = list(evaluation.confusion)
    counts = np.array([[evaluation.confusion[true][found] for found in labels] for true in labels])
    figure = Figure(figsize=(2.5 + 0.45 * len(labels), 2.2 + 0.42 * len(labels)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="answer", ylabel="right label")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = count > 0.6 * counts[row].sum()
            axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    return _svg(figure)


def _reliability(evaluation: Evaluation) -> str:
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999", linestyle=":")
    axes.bar(
        [found.confidence for found in evaluation.reliability],
        [found.accuracy for found in evaluation.reliability],
        width=0.06,
        color="#4a6fa5",
    )
    for found in evaluation.reliability:
        axes.text(found.confidence, found.accuracy + 0.02, str(found.n), ha="center", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1.1), xlabel="probability of the answer", ylabel="how often it is right")
    return _svg(figure)


def _risk(evaluation: Evaluation) -> str:
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [point.coverage for point in evaluation.risk_coverage], [point.risk for point in evaluation.risk_coverage]
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of stories answered, surest first", ylabel="share of them wrong")
    return _svg(figure)


def _svg(figure: Figure) -> str:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]
