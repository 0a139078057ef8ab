"""A clip of a moving person, evaluated with the models that ship."""

import io
import json

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from services.common.errors import ProblemError
from services.talkinghead.__main__ import cli
from services.talkinghead.evaluation.evaluate import evaluate_clip, quiet_room
from services.talkinghead.evaluation.report import ROWS
from tests.talkinghead.videos import make_video


@pytest.fixture(scope="module")
def clip(person, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "person.mp4"
    path.write_bytes(make_video([person(number) for number in range(12)], sound=True))
    return path


@pytest.fixture(scope="module")
def measured(talking_head, judges, clip, example_speech, tmp_path_factory):
    """(report, folder) of the clip, driven by other speech."""
    out = tmp_path_factory.mktemp("out")
    speech = out / "speech.wav"
    speech.write_bytes(example_speech)
    return evaluate_clip(talking_head, talking_head._models, judges, clip, speech=speech, out=out), out


def test_the_truth_is_the_truth_and_the_rest_is_not(measured):
    report, _ = measured
    figures = {row: report.rows[row].figures for row in ROWS}
    truth = figures["ground_truth"]
    assert (truth.psnr, truth.ssim, truth.f_lmd, truth.efficientnet_distance_mouth) == (None, 1.0, 0.0, 0.0)
    assert truth.leak_correlation == pytest.approx(1)
    for row in ("made", "copy_reference", "mean_frame"):
        assert 15 < figures[row].psnr < 60
        assert figures[row].psnr_mouth < figures[row].psnr  # nothing but the mouth differs
        assert figures[row].m_lmd > figures[row].f_lmd > 0
        assert figures[row].identity > 0.9


def test_a_sync_expert_judges_every_row_and_without_syncnet_s_weights_its_figures_are_left_out(measured):
    report, _ = measured
    for row in ROWS:
        figures = report.rows[row].figures
        assert 0 <= figures.sync_confidence < 1
        assert abs(figures.sync_offset_ms) <= 600
        assert figures.lse_d is figures.lse_c is None


def test_a_quiet_room_leaves_the_mouth_shut(measured):
    report, _ = measured
    assert report.rows["made"].figures.silence_opening < 0.12
    assert report.rest_opening < 0.12


def test_the_film_shows_both_and_sounds(measured, clip):
    _, out = measured
    with av.open(io.BytesIO((out / f"{clip.stem}.mp4").read_bytes())) as film:
        assert {stream.type for stream in film.streams} == {"video", "audio"}
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 12
    truth, made = np.hsplit(frames[4], 2)
    assert truth.shape == made.shape
    assert np.abs(truth[:180].astype(int) - made[:180]).mean() < 2  # above the mouth they agree
    assert np.abs(truth[220:].astype(int) - made[220:]).mean() > 1


def test_a_portrait_needs_speech(talking_head, judges, tmp_path, example_portrait):
    portrait = tmp_path / "portrait.jpg"
    portrait.write_bytes(example_portrait)
    with pytest.raises(ProblemError, match="give --speech"):
        evaluate_clip(talking_head, talking_head._models, judges, portrait, out=tmp_path)


def test_a_portrait_is_measured_against_itself(talking_head, judges, tmp_path, example_portrait, example_speech):
    portrait, speech = tmp_path / "portrait.jpg", tmp_path / "speech.wav"
    portrait.write_bytes(example_portrait)
    speech.write_bytes(example_speech)
    report = evaluate_clip(talking_head, talking_head._models, judges, portrait, speech=speech, out=tmp_path, seconds=2)
    made, still = (report.rows[row].figures for row in ("made", "ground_truth"))
    assert report.frames == 50
    assert made.silence_opening == pytest.approx(still.silence_opening, abs=0.005)
    assert made.identity > 0.95
    # The expert that ships hears that the made mouth keeps time, and that a still one does not.
    assert abs(made.sync_offset_ms) <= 40
    assert made.sync_confidence > 1.5 * still.sync_confidence


def test_a_quiet_room_is_quiet():
    samples = quiet_room(0.5).samples
    assert 20 * np.log10(samples.std()) == pytest.approx(-50, abs=1)


@pytest.mark.slow
def test_the_command_prints_one_object(clip, tmp_path):
    result = CliRunner().invoke(cli, ["evaluate", str(clip), "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["rows"]) == set(ROWS)
    assert {path.name for path in tmp_path.iterdir()} == {"person.mp4", "person.png"}


def test_what_are_no_weights_is_refused(tmp_path, clip):
    (tmp_path / "syncnet_v2.model").write_text("none")
    for option, name in (("--syncnet", "syncnet_v2.model"), ("--sync-expert", "nowhere.safetensors")):
        result = CliRunner().invoke(cli, ["evaluate", str(clip), option, str(tmp_path / name)])
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {option.removeprefix('--')}: {tmp_path / name} does not hold")


def test_what_is_no_clip_is_refused(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    result = CliRunner().invoke(cli, ["evaluate", str(text), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"error: {text}: " in result.stderr
    assert not (tmp_path / "out").exists()
