"""The direct route, with a model that says what it is told to, and with a random one of a real class."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.common.stopwatch import Stopwatch
from services.perception.ask.answering import Answerer
from services.perception.ask.families.blip2 import Blip2
from services.perception.ask.vision_language import VisionLanguageModel
from services.perception.draw.marks import colour
from services.perception.hub.source import Checkpoint
from services.perception.memory import Memory
from services.perception.pipeline import Perception
from services.perception.schemas import Judgement, JudgeOptions
from tests.perception.ask.fake_vlm import FakeVlm
from tests.perception.conftest import Pixels, photo_of
from tests.perception.hub.tiny_vlm import save_tiny_blip2

LABELS = [{"name": name, "definition": f"They are {name}."} for name in ("friends", "family", "colleagues")]


def judged(perception: Perception, pixels: Pixels, model: VisionLanguageModel | None, **options: Any) -> Judgement:
    seen = Perception(
        detector=perception.detector,
        segmenter=perception.segmenter,
        asker=perception.asker,
        models={},
        memory=Memory(0, 0),
        vision_language=model,
    )
    chosen = JudgeOptions.model_validate({"labels": LABELS} | options)
    return seen.judgement(photo_of(pixels), chosen, Stopwatch())


def test_pairs_are_asked_about_one_picture_with_the_boxes_drawn(perception: Perception, friends: Pixels):
    model = FakeVlm({}, scores=[2.0, 1.0, 0.0])
    answer = judged(perception, friends, model, pairs=[["P2", "P1"], ["P1", "P5"]])
    assert [one.pair for one in answer.relations] == [("P2", "P1"), ("P1", "P5")]
    expected = np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum()
    assert list(answer.relations[0].probabilities.values()) == pytest.approx(expected, abs=1e-5)
    assert len({id(picture) for picture, _ in model.asked}) == 1
    picture, question = model.asked[0]
    assert "P2 and P1" in question and "colleagues: They are colleagues." in question
    for number in range(1, 6):
        assert (picture == np.array(colour(f"P{number}"))).all(-1).sum() > 100
    assert (answer.model, len(answer.people)) == ("fake", 5)


def test_all_pairs_are_asked_where_none_is_named(perception: Perception, friends: Pixels):
    assert len(judged(perception, friends, FakeVlm({})).relations) == 10


def test_a_model_of_the_hub_looks_once_for_all_pairs(perception: Perception, friends: Pixels, tmp_path: Path):
    family = Blip2.load(Checkpoint.named(str(save_tiny_blip2(tmp_path)), tmp_path, param="vlm"))
    answer = judged(perception, friends, Answerer(family))
    assert family.encodings == 1
    assert all(sum(one.probabilities.values()) == pytest.approx(1, abs=1e-4) for one in answer.relations)


def test_hidden_faces_are_hidden_from_it_too(perception: Perception, friends: Pixels):
    shown, hidden = FakeVlm({}), FakeVlm({})
    judged(perception, friends, shown)
    judged(perception, friends, hidden, blur_faces=True)
    x0, y0, x1, y1 = (int(side * 0.64) for side in (560, 320, 620, 420))
    sharp, soft = (np.abs(np.diff(one.asked[0][0][y0:y1, x0:x1].astype(int), axis=0)).mean() for one in (shown, hidden))
    assert soft < sharp / 2


@pytest.mark.parametrize(("pairs", "code"), [([["P1", "P9"]], "unknown_person"), ([["P1", "P1"]], "invalid_request")])
def test_a_pair_that_is_none_is_named(perception: Perception, friends: Pixels, pairs: list[list[str]], code: str):
    with pytest.raises(ProblemError) as caught:
        judged(perception, friends, FakeVlm({}), pairs=pairs)
    assert (caught.value.code, caught.value.param) == (code, "pairs")


def test_one_person_has_no_relation(perception: Perception, officer: Pixels):
    with pytest.raises(ProblemError) as caught:
        judged(perception, officer, FakeVlm({}))
    assert caught.value.code == "one_person"


def test_a_profile_without_such_a_model_says_which_settings_bring_one(perception: Perception, friends: Pixels):
    with pytest.raises(ProblemError, match="RACONTEUR_VLM_URL") as caught:
        judged(perception, friends, None)
    assert caught.value.code == "model_unavailable"
