from pathlib import Path
from typing import Any

import pytest
import yaml

from services.talkinghead.difftalk.configuration import CONFIGURATIONS
from services.talkinghead.training.configuration import FOLDER, TrainingConfiguration, load_configuration
from services.talkinghead.training.errors import TrainError


@pytest.mark.parametrize("name", ["small", "base-256", "base-512"])
def test_those_that_ship_make_the_model_of_their_name(name: str):
    configuration = load_configuration(name)
    assert configuration.sizes(CONFIGURATIONS[name].audio_features).square_px == CONFIGURATIONS[name].square_px
    assert configuration.denoiser.draft == CONFIGURATIONS[name].refines_draft


def test_every_file_that_ships_has_the_name_of_a_model():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(CONFIGURATIONS)


def test_a_file_of_one_s_own_is_read(told: dict[str, Any], tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(told))
    assert load_configuration(str(tmp_path / "mine.yaml")) == TrainingConfiguration.model_validate(told)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "huge"}, "model is 'huge', one of base-256, base-512, small is expected"),
        ({"model": {"name": "x"}}, "these are not all sizes of a model"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"rate": 1}, "rate is 1: Extra inputs are not permitted"),
        ({"seed": -1}, "seed is -1: Input should be greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(told: dict[str, Any], tmp_path: Path, change: Any, message: str):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(told | change))
    with pytest.raises(TrainError) as refused:
        load_configuration(str(tmp_path / "mine.yaml"))
    assert str(refused.value).startswith(f"config: {tmp_path / 'mine.yaml'}: ")
    assert message in str(refused.value)


def test_what_is_wrong_within_a_stage_is_named_by_its_way(told: dict[str, Any], tmp_path: Path):
    def refusal(stage: str, change: dict[str, Any]) -> str:
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(told | {stage: told[stage] | change}))
        with pytest.raises(TrainError) as refused:
            load_configuration(str(tmp_path / "mine.yaml"))
        return str(refused.value)

    assert "denoiser.rate is 'fast': Input should be a valid number" in refusal("denoiser", {"rate": "fast"})
    assert "denoiser.draft is False, but model 'tiny' refines drafts" in refusal("denoiser", {"draft": False})
    assert "first_stage.crop_px is 48 x 128; it must" in refusal("first_stage", {"crop_px": [48, 128]})


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(TrainError, match=r"config: nothing is none of ours \(base-256, base-512, small\)"):
        load_configuration("nothing")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(TrainError, match="holds list, a mapping of settings is expected"):
        load_configuration(str(tmp_path / "list.yaml"))
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(TrainError, match="no file to read"):
        load_configuration(str(tmp_path / "broken.yaml"))
