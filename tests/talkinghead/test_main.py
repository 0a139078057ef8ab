"""The service's engineering verbs: what they print and how they refuse."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from services.talkinghead.__main__ import cli

GOLDEN = Path(__file__).parent / "difftalk" / "golden" / "checkpoint.ckpt"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_import_and_export_tell_what_they_made(tmp_path: Path):
    imported = run("import", GOLDEN, tmp_path / "model", "--square-px", "64", "--json")
    assert imported.exit_code == 0
    assert json.loads(imported.stdout) == {
        "output": str(tmp_path / "model"),
        "model": "imported-64",
        "square_px": 64,
        "weights": "ema",
        "speech_features": "deepspeech",
        "parameters": 1_822_630,
        "global_step": 12345,
        "unknown": [],
    }
    exported = run("export", tmp_path / "model", tmp_path / "back.ckpt", "--json")
    assert json.loads(exported.stdout) == {
        "output": str(tmp_path / "back.ckpt"),
        "tensors": 613,
        "global_step": 12345,
    }
    assert imported.stderr == exported.stderr == ""


def test_without_json_there_is_one_line(tmp_path: Path):
    imported = run("import", GOLDEN, tmp_path / "model", "--raw")
    assert imported.stdout == f"{tmp_path / 'model'}: imported-256, 1,822,630 parameters, raw weights\n"
    exported = run("export", tmp_path / "model", tmp_path / "back.ckpt")
    assert exported.stdout == f"{tmp_path / 'back.ckpt'}: 613 tensors, step 12345\n"


def test_unknown_modules_are_named_on_standard_error(tmp_path: Path):
    content = torch.load(GOLDEN, weights_only=True)
    content["state_dict"]["discriminator.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "more.ckpt")
    result = run("import", tmp_path / "more.ckpt", tmp_path / "model", "--json")
    assert result.exit_code == 0
    assert result.stderr == "warning: not used, kept for export: discriminator.weight\n"
    assert json.loads(result.stdout)["unknown"] == ["discriminator.weight"]


@pytest.mark.parametrize("verb", ["import", "export"])
def test_bad_input_is_refused_in_one_line(tmp_path: Path, verb: str):
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    for source in (tmp_path / "text.ckpt", tmp_path / "nowhere", tmp_path):
        result = run(verb, source, tmp_path / "out")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert str(source) in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    result = run("import", GOLDEN, tmp_path / "file")
    assert result.exit_code == 2
    assert str(tmp_path / "file") in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["OUT"], "videos: name some, or say --synthetic N"),
        (["nowhere.mp4", "OUT"], "videos: nowhere.mp4 does not exist"),
        (["--synthetic", "10", "OUT"], "assets: --synthetic needs a folder of head assets"),
        (["a.mp4", "OUT", "--train-list", "nowhere.txt"], "train-list: nowhere.txt cannot be read"),
        (["VIDEO", "OUT", "--speech-features", "deepspeech"], "speech-features: DeepSpeech runs outside"),
        (["VIDEO", "OUT", "--speech-features", "wav2vec2"], "name its --speech-encoder"),
    ],
)
def test_prepare_refuses_what_it_cannot_understand(tmp_path: Path, arguments: list[str], said: str):
    (tmp_path / "video.mp4").touch()
    places = {"OUT": tmp_path / "out", "VIDEO": tmp_path / "video.mp4"}
    result = run("prepare", *(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()
