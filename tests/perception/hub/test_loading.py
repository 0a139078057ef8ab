"""Profiles and settings -> stages, with random checkpoints of the real classes on the example photo."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import ProblemError
from services.perception.loading import load_perception
from services.perception.pipeline import Perception
from services.perception.settings import PerceptionSettings
from tests.perception.conftest import WEIGHTS, Pixels, told
from tests.perception.hub.tiny_sam import save_tiny_sam, save_tiny_sam2
from tests.perception.hub.tiny_vlm import save_tiny_blip2, save_tiny_llava


def loaded(tmp_path: Path, **settings: Any) -> Perception:
    return load_perception(
        PerceptionSettings(
            weights_dir=WEIGHTS, cache_dir=tmp_path, threads=1, memory_entries=0, grid_points=8, **settings
        )
    )


@pytest.mark.parametrize(
    ("sam", "vlm"), [(save_tiny_sam, save_tiny_blip2), (save_tiny_sam2, save_tiny_llava)], ids=["published", "newer"]
)
def test_a_photo_is_told_with_models_of_the_hub(
    tmp_path: Path, friends: Pixels, sam: Callable[[Path], Path], vlm: Callable[[Path], Path]
):
    perception = loaded(tmp_path, segmenter=str(sam(tmp_path / "sam")), vlm=str(vlm(tmp_path / "vlm")))
    story = told(perception, friends, masks=True)
    assert len(story.people) == 5 and all(person.mask is not None for person in story.people)
    assert all(thing.mask is not None for thing in story.objects)
    assert (story.models["segmentation"], story.models["vision_language"]) == ("sam", "vlm")
    answered = {answer.model for person in story.people for answer in person.attributes.values()}
    assert "rules" in answered
    known = {record.id for record in story.records}
    assert story.sentences and all(set(sentence.records) <= known for sentence in story.sentences)


def test_a_profile_whose_models_are_nowhere_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ProblemError, match="facebook/sam-vit-base") as caught:
        loaded(tmp_path, perception_profile="small")
    assert caught.value.code == "model_unavailable"


def test_without_the_extra_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for settings in ({"perception_profile": "small"}, {"vlm": str(tmp_path)}, {"segmenter": str(tmp_path)}):
        with pytest.raises(ProblemError, match=r"raconteur\[vision\]") as caught:
            loaded(tmp_path, **settings)
        assert caught.value.code == "model_unavailable"
    assert loaded(tmp_path).asker is not None  # tiny does without


def test_an_endpoint_needs_no_torch_and_no_network_to_be_named(tmp_path: Path):
    perception = loaded(tmp_path, vlm_url="http://127.0.0.1:9/v1", vlm_model="some-vlm")
    assert perception._models["vision_language"] == "some-vlm"


@pytest.mark.parametrize(
    "settings",
    [
        {"vlm_url": "http://vision/v1"},
        {"vlm_model": "some-vlm"},
        {"vlm": "folder", "vlm_url": "http://vision/v1", "vlm_model": "m"},
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, Any]):
    with pytest.raises(ValueError, match="vlm"):
        PerceptionSettings(**settings)
