import numpy as np

from services.perception.segment.outline import thing_masks
from tests.perception.conftest import Pixels
from tests.perception.figures import thing


def table() -> Pixels:
    """(300, 400, 3): a red round plate of 50 px radius around (200, 150) on a grey, slightly noisy table."""
    rows, columns = np.mgrid[:300, :400]
    pixels = np.random.default_rng(3).integers(118, 138, (300, 400, 3)).astype(np.uint8)
    pixels[np.hypot(rows - 150, columns - 200) < 50] = (200, 30, 30)
    return pixels


def disk(radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:300, :400]
    return np.hypot(rows - 150, columns - 200) < radius


def test_a_thing_is_outlined_inside_its_box():
    (mask,) = thing_masks(table(), [thing("O1", "bowl", (148, 98, 252, 202))], [])
    truth = disk(50)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


def test_what_is_a_person_is_no_thing():
    person = disk(50)
    person[:, :200] = False
    (mask,) = thing_masks(table(), [thing("O1", "bowl", (148, 98, 252, 202))], [person])
    assert mask[100:200, 160:195].mean() > 0.8
    assert mask.shape == (300, 400)


def test_the_same_photo_gives_the_same_mask():
    things = [thing("O1", "bowl", (148, 98, 252, 202))]
    first, second = (thing_masks(table(), things, [])[0] for _ in range(2))
    assert (first == second).all()


def test_a_box_at_the_edge_or_of_a_fraction_of_a_pixel_is_survived():
    things = [thing("O1", "bowl", (0, 0, 400, 300)), thing("O2", "cup", (399.5, 299.5, 400, 300))]
    whole, speck = thing_masks(table(), things, [])
    assert whole.any() and speck.shape == (300, 400)
