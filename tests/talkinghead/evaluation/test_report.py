import json
from dataclasses import fields, replace

import numpy as np
import pytest

from services.talkinghead.evaluation import report
from services.talkinghead.evaluation.evaluate import ClipReport
from services.talkinghead.evaluation.figures import Figures, Measured, Sound
from services.talkinghead.evaluation.phones import Openings, Phones


def clip(frames: int, value: float, opening: np.ndarray) -> ClipReport:
    times_s = (np.arange(100) + 0.5) / 25
    phones = Phones(np.array([1.0, 2.0]), np.array([1.5, 2.5]))
    figures = Figures(**{field.name: value for field in fields(Figures)})
    measured = Measured(figures, Openings.of(opening, times_s, phones))
    truth = replace(measured, figures=replace(figures, psnr=None))
    rows = dict.fromkeys(report.ROWS, measured) | {"ground_truth": truth}
    return ClipReport(
        clip="a.mp4",
        speech=None,
        frames=frames,
        fps=25.0,
        rest_opening=0.02,
        sound=Sound(times_s, np.sin(np.arange(64_000) / 9).astype(np.float32), phones),
        rows=rows,
        openings=dict.fromkeys(report.ROWS, opening),
    )


@pytest.fixture
def opening():
    """Open at 1 and 2 s, shut at 1.5 and 2.5 s."""
    return 0.5 + 0.5 * np.cos(4 * np.pi * (np.arange(100) + 0.5) / 25 / 2)


def test_clips_are_pooled_by_their_frames_and_phones_together(opening):
    told = report.as_json([clip(100, 1.0, opening), clip(300, 2.0, opening)])
    assert told["rows"]["made"]["psnr"] == pytest.approx(1.75)
    assert told["rows"]["made"]["phone_auc"] == 1
    assert told["rows"]["made"]["phone_lag_ms"] == 0
    assert told["rows"]["ground_truth"]["psnr"] is None
    assert [one["rows"]["made"]["psnr"] for one in told["clips"]] == [1.0, 2.0]


def test_all_rows_have_all_figures_and_json_holds_them(opening):
    told = json.loads(json.dumps(report.as_json([clip(100, 1.0, opening)]), allow_nan=False))
    assert list(told["rows"]) == ["made", "ground_truth", "copy_reference", "mean_frame"]
    for row in told["rows"].values():
        assert list(row) == [field.name for field in fields(Figures)]
    assert told["clips"][0]["open_vowels"] == told["clips"][0]["closed_consonants"] == 2


def test_it_is_told_as_a_table_and_drawn(opening, tmp_path):
    one, two = clip(100, 1.0, opening), clip(300, 2.0, opening)
    text = report.table(report.as_json([one, two]))
    assert "| psnr | 1.75 | - | 1.75 | 1.75 |" in text
    assert text.count("| phone_auc |") == 3
    assert report.table(report.as_json([one])).count("| phone_auc |") == 1
    report.draw(one, tmp_path / "mouth.png")
    assert (tmp_path / "mouth.png").read_bytes()[1:4] == b"PNG"
