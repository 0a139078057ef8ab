"""Gradients of the relaxed choice against finite differences, on a tiny model in double precision.

Its norms compute in single precision whatever it is told, so steps are not too small.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from services.reasoning.prompt import SEGMENTS
from services.reasoning.scoring import DEFAULT_METHOD
from services.reasoning.search.gradient import loss_changes
from services.reasoning.search.objective import loss_gradient, losses
from services.reasoning.search.pools import Choice
from services.reasoning.search.published import choice_gradient, relaxed_loss, target_loss
from services.reasoning.search.reading import StoryReader
from services.reasoning.transformers_lm import TransformersModel
from tests.reasoning.search.stories import POOLS, TAXONOMY, make_stories

CHOICE: Choice = (1, 0, 2, 1)
STORIES = make_stories(2)
TRUTH = np.array([[label.name for label in TAXONOMY.labels].index(story.label) for story in STORIES])


@pytest.fixture
def model(tiny_torch: TransformersModel) -> Iterator[TransformersModel]:
    tiny_torch.network.double()
    yield tiny_torch
    tiny_torch.network.float()


@pytest.mark.parametrize("segment", range(4), ids=SEGMENTS)
def test_the_published_gradient_is_that_of_the_relaxed_choice(model: TransformersModel, segment: int):
    story = STORIES[1]
    one_hot = torch.eye(POOLS.sizes[segment], dtype=torch.float64)

    def loss(weights: torch.Tensor) -> float:
        with torch.no_grad():
            return float(relaxed_loss(model, POOLS, CHOICE, segment, weights=weights, story=story))

    chosen, step = one_hot[CHOICE[segment]], 1e-3
    numeric = [(loss(chosen + step * axis) - loss(chosen - step * axis)) / (2 * step) for axis in one_hot]
    assert choice_gradient(model, POOLS, CHOICE, segment, story) == pytest.approx(numeric, rel=1e-2, abs=1e-4)
    assert loss(chosen) == pytest.approx(target_loss(model, POOLS, CHOICE, story))
    assert max(map(abs, numeric)) > 1e-3  # the test could fail


def test_one_backward_pass_gives_the_gradient_of_every_segment(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
):
    """Each text is mixed into its segment by a small weight, and the scores are computed anew by the service's way."""
    base = scores(model, CHOICE)
    weights = loss_gradient(base, TRUTH)
    changes = loss_changes(model, POOLS, CHOICE, STORIES, taxonomy=TAXONOMY, method=DEFAULT_METHOD, weights=weights)
    embed = model.embed
    for segment in range(4):
        chosen = model.tokens(POOLS.prompt(CHOICE).pieces[segment])
        for rival in range(POOLS.sizes[segment]):
            swapped = list(CHOICE)
            swapped[segment] = rival
            other = model.tokens(POOLS.prompt(tuple(swapped)).pieces[segment])[: len(chosen)]
            found = []
            for step in (1e-3, -1e-3):
                with monkeypatch.context() as patched:
                    patched.setattr(model, "embed", mixed(embed, chosen, other, step))
                    found.append(losses(scores(model, CHOICE), TRUTH).mean())
            numeric = (found[0] - found[1]) / 2e-3
            assert changes[segment][rival] == pytest.approx(numeric, rel=1e-2, abs=1e-4)
    assert max(abs(change) for found in changes for change in found) > 1e-3


def test_counted_tokens_of_a_gradient_are_three_times_those_it_reads(model: TransformersModel):
    reader, before = StoryReader(model, POOLS, TAXONOMY, DEFAULT_METHOD), model.tokens_read
    for story in STORIES:
        reader.scores(CHOICE, story)
    forward, before = model.tokens_read - before, model.tokens_read
    loss_changes(
        model, POOLS, CHOICE, STORIES, taxonomy=TAXONOMY, method=DEFAULT_METHOD, weights=np.ones((len(STORIES), 3))
    )
    assert model.tokens_read - before == 3 * forward


def scores(model: TransformersModel, choice: Choice) -> np.ndarray:
    reader = StoryReader(model, POOLS, TAXONOMY, DEFAULT_METHOD)
    return np.array([reader.scores(choice, story) for story in STORIES])


def mixed(
    embed: Callable[[list[int]], torch.Tensor], chosen: list[int], other: list[int], weight: float
) -> Callable[[list[int]], torch.Tensor]:
    """Embeddings in which the chosen text moves by ``weight`` towards the other one."""

    def mix(tokens: list[int]) -> torch.Tensor:
        found = embed(tokens)
        for start in range(len(tokens) - len(chosen) + 1):
            if list(tokens[start : start + len(chosen)]) == chosen:
                towards = torch.zeros(len(chosen), found.shape[1], dtype=found.dtype)
                towards[: len(other)] = embed(other)
                found[start : start + len(chosen)] += weight * (towards - embed(chosen))
        return found

    return mix
