"""Whole runs, so small that they take seconds."""

import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from services.talkinghead.__main__ import cli
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.training import run_folder
from services.talkinghead.training.command import train
from services.talkinghead.training.configuration import TrainingConfiguration
from services.talkinghead.training.denoiser import Frames
from services.talkinghead.training.errors import TrainError
from services.talkinghead.training.first_stage import Crops
from services.talkinghead.training.sync_expert import Moments

pytestmark = pytest.mark.slow

Train = Callable[..., dict[str, Any]]


@pytest.fixture
def run(told: dict[str, Any], two_clips: Path) -> Train:
    """``run(out, {"denoiser": {"rate": 1}})`` trains with other settings than `told`."""

    def trained(out: Path, change: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        settings = json.loads(json.dumps(told))
        for key, value in (change or {}).items():
            settings[key] = settings[key] | value if isinstance(value, dict) else value
        configuration = TrainingConfiguration.model_validate(settings)
        report = train(configuration, options.pop("data", two_clips), out, TalkingHeadSettings(), **options)
        assert report is not None
        return report

    return trained


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `whole` puts its run; tests share it."""
    return tmp_path_factory.mktemp("runs") / "whole"


@pytest.fixture
def whole(run: Train, finished: Path) -> Path:
    """A run from beginning to end without a break."""
    if not finished.exists():
        run(finished)
    return finished


def saved(out: Path, stage: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(out / stage / "checkpoint.pt", weights_only=True)
    return state


def scalars(out: Path, stage: str) -> dict[str, list[tuple[int, float]]]:
    """What the log tells: name -> (step, value)."""
    log = EventAccumulator(str(out / "log" / stage)).Reload()
    return {tag: [(event.step, event.value) for event in log.Scalars(tag)] for tag in log.Tags()["scalars"]}


def same(one: Any, other: Any) -> bool:
    """Bit by bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_a_run_makes_a_model_that_loads(whole: Path, told: dict[str, Any]):
    configuration, denoiser, _ = checkpoint.load(whole / "model")
    assert configuration.name == "tiny"
    assert all(torch.isfinite(parameter).all() for parameter in denoiser.parameters())
    assert (whole / "sync_expert.safetensors").is_file()
    assert not list(whole.rglob("*.unfinished"))


def test_the_log_holds_losses_figures_and_a_film(whole: Path):
    told = scalars(whole, "denoiser")
    assert [step for step, _ in told["denoiser/denoiser/clean"]] == [1, 2, 3, 4]
    assert {"reference", "made", "wrong_sound"} == {name.split("/")[-1] for name in told if "held_out" in name}
    log = EventAccumulator(str(whole / "log" / "denoiser")).Reload()
    (film,) = log.Images("denoiser/truth_reference_made")
    assert film.encoded_image_string[:4] == b"GIF8"
    assert (film.width, film.height) == (3 * 128, 128)
    discriminator = scalars(whole, "first_stage")["first_stage/discriminator/hinge"]
    assert [step for step, _ in discriminator] == [4]  # it comes in with the fourth step


@pytest.mark.parametrize("broken_in", ["first_stage", "denoiser"])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    run: Train, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_in: str
):
    write = run_folder.RunFolder.save

    def stop_behind(self: Any, stage: str, state: dict[str, Any]) -> None:
        write(self, stage, state)
        if (stage, state["step"]) == (broken_in, 2):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_folder.RunFolder, "save", stop_behind)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out")
    assert saved(tmp_path / "out", broken_in)["step"] == 2
    run(tmp_path / "out")
    for stage in ("first_stage", "sync_expert", "denoiser"):
        assert scalars(tmp_path / "out", stage) == scalars(whole, stage)
        assert same(saved(tmp_path / "out", stage), saved(whole, stage)), stage


def test_a_finished_run_tells_its_figures_again_and_learns_nothing(run: Train, whole: Path, tmp_path: Path):
    shutil.copytree(whole, tmp_path / "out")
    before = saved(whole, "denoiser")
    report = run(tmp_path / "out")
    assert report["held_out"]["denoiser"]["made"] == pytest.approx(before["figures"]["made"], abs=1e-4)
    assert same(saved(tmp_path / "out", "denoiser"), before)


def test_loss_falls_on_two_clips(run: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same four examples come again and again, so that one step's loss can be held against another's."""
    for kind in (Crops, Moments, Frames):
        draw = kind.__getitem__
        monkeypatch.setattr(kind, "__getitem__", lambda self, number, draw=draw: draw(self, number % 4))
    stages = {
        "first_stage": {"continuous_steps": 24, "adversarial_weight": 0},
        "sync_expert": {"batch": 4},
        "denoiser": {"accumulate": 2, "audio_dropout": 0},
    }
    run(
        tmp_path / "out",
        {"save_every": 99, "sample_every": 99} | {name: {"steps": 24} | told for name, told in stages.items()},
    )
    terms = {"first_stage": "autoencoder/picture", "sync_expert": "expert/contrast", "denoiser": "denoiser/clean"}
    for stage, term in terms.items():
        losses = [value for _, value in scalars(tmp_path / "out", stage)[f"{stage}/{term}"]]
        assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4]), (stage, losses)


def test_a_loss_that_is_no_number_ends_the_run_and_harms_nothing(run: Train, whole: Path, tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(TrainError, match=r"denoiser: .* at step \d, rate .* nothing of this step was learnt or saved"):
        run(out, {"denoiser": {"rate": 1e30, "steps": 40}, "save_every": 1})
    weights = saved(out, "denoiser")["networks"]["denoiser"]
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    checkpoint.load(out / "model")
    assert same(saved(out, "first_stage")["networks"], saved(whole, "first_stage")["networks"])


def test_a_full_disk_ends_the_run_and_it_goes_on_when_there_is_room(run: Train, whole: Path, tmp_path: Path):
    out = tmp_path / "out"
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    # no file may be larger than the first stage's checkpoint: the sync expert's is
    resource.setrlimit(resource.RLIMIT_FSIZE, ((whole / "first_stage" / "checkpoint.pt").stat().st_size + 4096, most))
    try:
        with pytest.raises(TrainError, match=r"cannot be written .*; make room and run the same command again"):
            run(out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert not list(out.rglob("*.unfinished"))
    assert saved(out, "first_stage")["step"] == 4
    run(out)
    assert same(saved(out, "denoiser"), saved(whole, "denoiser"))


def test_settings_of_another_run_are_refused_by_name(run: Train, whole: Path):
    with pytest.raises(TrainError, match=r"settings.json was begun with denoiser.rate = 0.002, this run has 0.1"):
        run(whole, {"denoiser": {"rate": 0.1}})


def test_how_often_is_logged_and_saved_and_who_draws_changes_nothing(run: Train, whole: Path, tmp_path: Path):
    shutil.copytree(whole, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "denoiser")
    run(tmp_path / "out", {"log_every": 7, "save_every": 9, "loaders": 2})
    assert same(saved(tmp_path / "out", "denoiser"), saved(whole, "denoiser"))


def test_half_precision_learns_nearly_the_same(run: Train, whole: Path, tmp_path: Path):
    AcceleratorState._reset_state(reset_partial_state=True)  # it knows one precision in a process
    try:
        run(tmp_path / "out", {"precision": "bf16"})
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    for stage, name in (("sync_expert", "expert/contrast"), ("denoiser", "denoiser/clean")):
        full, half = (scalars(out, stage)[f"{stage}/{name}"] for out in (whole, tmp_path / "out"))
        assert full != half
        np.testing.assert_allclose([value for _, value in half], [value for _, value in full], rtol=0.3)


def test_a_checkpoint_of_another_run_is_refused(run: Train, whole: Path, tmp_path: Path):
    (tmp_path / "out" / "first_stage").mkdir(parents=True)
    shutil.copy(whole / "first_stage" / "checkpoint.pt", tmp_path / "out" / "first_stage")
    with pytest.raises(TrainError, match=r"checkpoint.pt was begun with seed = 0, this run has 5"):
        run(tmp_path / "out", {"seed": 5})


def test_a_damaged_checkpoint_is_named(run: Train, tmp_path: Path):
    (tmp_path / "first_stage").mkdir()
    (tmp_path / "first_stage" / "checkpoint.pt").write_bytes(b"PK no checkpoint")
    with pytest.raises(TrainError, match=r"first_stage/checkpoint.pt is no checkpoint that can be read"):
        run(tmp_path)


def test_a_model_is_gone_on_from(run: Train, whole: Path, tmp_path: Path):
    report = run(tmp_path / "out", start=whole / "model")
    assert "first_stage" not in report["steps"]
    _, _, before = checkpoint.load(whole / "model")
    _, _, after = checkpoint.load(tmp_path / "out" / "model")
    assert same(before.state_dict(), after.state_dict())


def test_a_model_of_other_sizes_is_refused(run: Train, published_folder: Path, tmp_path: Path):
    with pytest.raises(TrainError, match=r"start: .* is a model with square_px = 64, this run has 128"):
        run(tmp_path / "out", start=published_folder)
    with pytest.raises(TrainError, match=r"start: .* is no model that can be read"):
        run(tmp_path / "other", start=tmp_path)


def test_two_runs_cannot_share_a_folder(run: Train, tmp_path: Path):
    with run_folder.RunFolder(tmp_path, {}).owned(), pytest.raises(TrainError, match="belongs to another run"):
        run(tmp_path)


def test_the_command_refuses_in_one_line_and_tells_as_json(
    told: dict[str, Any], two_clips: Path, whole: Path, tmp_path: Path
):
    def command(*arguments: str | Path) -> Any:
        return CliRunner().invoke(cli, ["train", *map(str, arguments)])

    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(told))
    refused = command(config, "--data", tmp_path, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"error: data: {tmp_path}/train: there is no clip in it")
    shutil.copytree(whole, tmp_path / "run")
    done = command(config, "--data", two_clips, "--out", tmp_path / "run", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["steps"] == {"first_stage": 4, "sync_expert": 4, "denoiser": 4}
