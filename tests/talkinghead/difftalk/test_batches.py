"""How many frames at a time, and what happens where memory runs out."""

from typing import Any

import numpy as np
import pytest
import torch

from services.common.errors import ProblemError
from services.talkinghead.difftalk.batches import MICRO_BATCH, in_batches
from services.talkinghead.difftalk.pipeline import DiffTalk

FAR_TOO_MUCH = 1 << 50  # bytes


def allocate_with_torch() -> None:
    torch.empty(FAR_TOO_MUCH, dtype=torch.uint8)


def allocate_with_numpy() -> None:
    np.empty(FAR_TOO_MUCH, np.uint8)


def as_a_gpu_would() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.fixture(params=[allocate_with_torch, allocate_with_numpy, as_a_gpu_would], ids=["torch", "numpy", "cuda"])
def holding(request: pytest.FixtureRequest, tiny_model: DiffTalk):
    """``holding(frames)``: the UNet really runs out of memory where it is given more than these."""
    hooks = []

    def limit(frames: int) -> list[int]:
        sizes: list[int] = []

        def run_out(_unet: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            sizes.append(len(inputs[0]))
            if sizes[-1] > frames:
                request.param()

        hooks.append(tiny_model._denoiser.unet.register_forward_pre_hook(run_out))
        return sizes

    yield limit
    for hook in hooks:
        hook.remove()


def refine(model: DiffTalk, frames: dict[str, np.ndarray], **options: Any) -> np.ndarray:
    source = model.encode_source(frames["drafts"][0], frames["landmarks"][0])
    return model.refine(source, **frames, steps=1, seed=1, **options)


def test_a_batch_that_memory_does_not_hold_is_halved_for_the_rest_of_the_call(tiny_model, drafts, holding):
    whole = refine(tiny_model, drafts)
    sizes = holding(MICRO_BATCH // 2)
    told: list[tuple[int, int]] = []
    halves = refine(tiny_model, drafts, on_step=lambda done, of: told.append((done, of)))
    assert sizes == [5, 2, 2, 2, 2, 2, 2]  # 11 frames
    assert told[-1] == (6, 6)
    np.testing.assert_allclose(halves, whole, atol=0.01)


def test_it_is_halved_once(tiny_model, drafts, holding):
    sizes = holding(1)
    with pytest.raises(ProblemError) as caught:
        refine(tiny_model, drafts)
    assert (caught.value.code, sizes) == ("out_of_memory", [5, 2])


def test_other_faults_are_not_taken_for_it(tiny_model, drafts):
    with pytest.raises(RuntimeError, match="size"):
        refine(tiny_model, {**drafts, "audio_windows": drafts["audio_windows"][..., :3]})


def test_every_batch_has_the_same_size_and_every_frame_comes_once():
    asked: list[list[int]] = []

    def make(numbers, _on_step):
        asked.append(numbers.tolist())
        return numbers * 10

    made = np.zeros(12, np.int64)
    for numbers, part in in_batches(12, make, batch=5):
        made[numbers] += part
    assert asked == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 11, 11, 11]]
    assert made.tolist() == list(range(0, 120, 10))


def test_no_frames_are_no_work():
    assert list(in_batches(0, lambda numbers, _on_step: numbers)) == []
