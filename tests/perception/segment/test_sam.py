"""SAM and SAM 2 by the real loading code, on random weights of the real classes."""

from pathlib import Path

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.perception.detect.detector import MAX_THINGS, Found
from services.perception.hub.source import Checkpoint
from services.perception.schemas import REGION
from services.perception.segment.masks import LONG_SIDE_PX
from services.perception.segment.promptable import PromptableNetwork
from services.perception.segment.sam import SamSegmenter
from tests.perception.figures import subject, thing
from tests.perception.hub.tiny_sam import save_tiny_sam, save_tiny_sam2

PHOTO = np.random.default_rng(0).integers(0, 255, (400, 800, 3), np.uint8)
FOUND = Found([subject(20, 20), subject(600, 40)], [thing("O1", "cup", (300, 100, 360, 200))], [])


@pytest.fixture(scope="module", params=[save_tiny_sam, save_tiny_sam2], ids=["SAM", "SAM 2"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PromptableNetwork:
    folder = request.param(tmp_path_factory.mktemp("sam"))
    return PromptableNetwork.load(Checkpoint.named(str(folder), folder, param="segmenter"))


def test_a_mask_per_person_and_thing_at_one_encoding(network: PromptableNetwork):
    before = network.encodings, network.decodings
    segmenter = SamSegmenter(network, points=8)
    segmented = segmenter(PHOTO, FOUND, lambda: None)
    things = segmenter.things(PHOTO, segmented)
    assert (network.encodings, network.decodings) == (before[0] + 1, before[1] + 2)  # boxes, then 64 points
    assert [mask.shape for mask in segmented.people] == [(320, LONG_SIDE_PX)] * 2
    assert not (segmented.people[0] & segmented.people[1]).any()
    assert len(things) == len(segmented.found.things)
    assert {mask.shape for mask in things} == {(320, LONG_SIDE_PX)}


def test_regions_become_things_behind_those_of_the_detectors(network: PromptableNetwork):
    things = SamSegmenter(network, points=8)(PHOTO, FOUND, lambda: None).found.things
    assert things[0] == FOUND.things[0]
    assert [one.symbol for one in things] == [f"O{number}" for number in range(1, len(things) + 1)]
    assert {one.name for one in things[1:]} == {REGION}
    assert 1 < len(things) <= MAX_THINGS
    for one in things:
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 < x1 <= 800 and 0 <= y0 < y1 <= 400


def test_a_box_prompt_in_the_photo_is_a_box_prompt_in_the_networks_picture(network: PromptableNetwork):
    """The same photo at twice the size with twice the box gives the same mask."""
    small, large = PHOTO[::2, ::2], PHOTO[::2, ::2].repeat(2, 0).repeat(2, 1)
    box = np.array([30, 20, 140, 160], np.float32)
    (one,), (other,) = (
        network.in_boxes(network.encode(pixels), [given]) for pixels, given in ((small, box), (large, box * 2))
    )
    agree = ((one.logits > 0) == (other.logits > 0)).float().mean()
    assert agree > 0.95


def test_work_stops_between_calls_of_the_network(network: PromptableNetwork):
    calls = iter(range(1))

    def check() -> None:
        if next(calls, None) is None:
            raise ProblemError("canceled", "the caller is gone")

    with pytest.raises(ProblemError):
        SamSegmenter(network, points=8)(PHOTO, FOUND, check)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ProblemError, match="llama"):
        PromptableNetwork.load(Checkpoint.named(str(tmp_path), tmp_path, param="segmenter"))
