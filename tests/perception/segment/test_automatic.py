"""SocialGPT's filters, on masks made by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from services.perception.segment.automatic import MIN_AREA, grid, stability, standing_out
from services.perception.segment.promptable import Proposals


def square(x0: int, y0: int, x1: int, y1: int, edge: float = 9.0) -> Tensor:
    """Logits (100, 100): ``edge`` inside, minus that outside."""
    logits = torch.full((100, 100), -edge)
    logits[y0:y1, x0:x1] = edge
    return logits


def kept(*masks: tuple[Tensor, float]) -> list[list[float]]:
    proposals = Proposals(torch.stack([mask for mask, _ in masks]), torch.tensor([iou for _, iou in masks]))
    return [np.round(region.box, 2).tolist() for region in standing_out([proposals])]


def test_a_sure_stable_large_mask_is_kept_with_its_box():
    assert kept((square(10, 20, 40, 60), 0.9)) == [[pytest.approx(side) for side in (0.1, 0.2, 0.4, 0.6)]]


def test_a_predicted_iou_of_085_is_too_little():
    assert kept((square(10, 20, 40, 60), 0.85)) == []


def test_an_unstable_mask_is_dropped():
    soft = square(10, 20, 40, 60)
    soft[20:60, 40:44] = 0.5  # a tenth of it is there at a threshold of -1 and gone at 1
    assert stability(soft[None]).item() == pytest.approx(30 / 34)
    assert kept((soft, 0.95)) == []


@pytest.mark.parametrize(("side", "count"), [(12, 0), (13, 1)])
def test_a_mask_of_at_most_one_and_a_half_hundredths_of_the_photo_is_dropped(side: int, count: int):
    assert (side * side / 10_000 > MIN_AREA) == bool(count)
    assert len(kept((square(10, 10, 10 + side, 10 + side), 0.95))) == count


def test_of_masks_of_one_place_the_surest_is_kept_across_calls_of_the_network():
    first = Proposals(square(10, 10, 50, 50)[None], torch.tensor([0.9]))
    surer = Proposals(torch.stack([square(11, 11, 51, 51), square(60, 60, 90, 90)]), torch.tensor([0.95, 0.88]))
    assert [round(region.score, 2) for region in standing_out([first, surer])] == [0.95, 0.88]


def test_a_mask_of_nothing_is_dropped():
    assert kept((torch.full((100, 100), -9.0), 0.99)) == []


def test_points_stand_in_the_middle_of_their_cells():
    assert grid(40, 20, 2).tolist() == [[10, 5], [30, 5], [10, 15], [30, 15]]
