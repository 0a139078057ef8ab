"""What was measured, as JSON, as a table and as a plot."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt

from services.talkinghead.evaluation.evaluate import ClipReport
from services.talkinghead.evaluation.figures import Figures, pooled

ROWS: Final = ("made", "ground_truth", "copy_reference", "mean_frame")
"""Of every clip; variants come behind them."""
_DIGITS: Final = 4


def as_json(clips: list[ClipReport]) -> dict[str, Any]:
    """``rows`` over all clips, and each clip's own; None where a figure has no meaning."""
    frames = [clip.frames for clip in clips]
    return {
        "rows": {row: _rounded(pooled([clip.rows[row] for clip in clips], frames)) for row in clips[0].rows},
        "clips": [
            {
                "clip": clip.clip,
                "speech": clip.speech,
                "frames": clip.frames,
                "fps": round(clip.fps, 3),
                "rest_opening": round(clip.rest_opening, _DIGITS),
                "open_vowels": clip.rows["made"].openings.counts[0],
                "closed_consonants": clip.rows["made"].openings.counts[1],
                "rows": {row: _rounded(measured.figures) for row, measured in clip.rows.items()},
            }
            for clip in clips
        ],
    }


def table(report: dict[str, Any]) -> str:
    """Markdown: figures down, makers across; all clips together, then each one where there are several."""
    parts = [_rows_table("all clips", report["rows"])] if len(report["clips"]) > 1 else []
    for clip in report["clips"]:
        sound = clip["speech"] or "its own sound"
        heard = f"{clip['open_vowels']} open vowels and {clip['closed_consonants']} p, b, m"
        title = (
            f"{clip['clip']}, {clip['frames']} frames, {sound} ({heard}); opening at rest {clip['rest_opening']:.3f}"
        )
        parts.append(_rows_table(title, clip["rows"]))
    return "\n\n".join(parts)


def draw(clip: ClipReport, target: Path) -> None:
    """Mouth opening over time, real and made, over the loudness; phones that must open or shut the mouth are marked."""
    figure, (above, below) = plt.subplots(2, figsize=(12, 5), sharex=True, height_ratios=(3, 1))
    times_s = clip.sound.times_s
    above.plot(times_s, clip.openings["ground_truth"], color="grey", label="real")
    above.plot(times_s, clip.openings["made"], color="tab:red", label="made")
    for phone_s, colour, name in (
        (clip.sound.phones.open_s, "tab:green", "open vowel"),
        (clip.sound.phones.closed_s, "tab:blue", "p, b, m"),
    ):
        above.vlines(phone_s, 0, 1, colors=colour, alpha=0.35, transform=above.get_xaxis_transform(), label=name)
    above.set(ylabel="opening / mouth width", title=clip.clip)
    above.legend(loc="upper right", ncols=4)
    below.fill_between(times_s, clip.sound.loudness, color="tab:orange")
    below.set(ylabel="loudness", xlabel="s", xlim=(times_s[0], times_s[-1]))
    figure.savefig(target, bbox_inches="tight", dpi=110)
    plt.close(figure)


def _rounded(figures: Figures) -> dict[str, float | None]:
    return {name: None if value is None else round(value, _DIGITS) for name, value in asdict(figures).items()}


def _rows_table(title: str, rows: dict[str, dict[str, float | None]]) -> str:
    lines = [f"| {title} | {' | '.join(row.replace('_', ' ') for row in rows)} |", "|---" * (len(rows) + 1) + "|"]
    for field in fields(Figures):
        values = [figures[field.name] for figures in rows.values()]
        lines.append(f"| {field.name} | {' | '.join('-' if value is None else f'{value:g}' for value in values)} |")
    return "\n".join(lines)
