"""The paper's way: what a made face depends on, and what not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.batches import MICRO_BATCH
from services.talkinghead.difftalk.configuration import SMALL
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage, decode, encode, to_model_range
from services.talkinghead.difftalk.mask import hide_below_nose
from services.talkinghead.difftalk.pipeline import SourceLatents
from services.talkinghead.difftalk.published import ProgressiveReference, PublishedDiffTalk
from services.talkinghead.difftalk.sampler import add_noise, build_solver, noise_levels, shared_noise

FRAMES = 10
Frames = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def model(published_folder: Path) -> PublishedDiffTalk:
    return PublishedDiffTalk(*checkpoint.load(published_folder))


@pytest.fixture(scope="module")
def face(drawn_landmarks: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def drawn_landmarks() -> np.ndarray:
    """Anywhere in the 128 px square, but for the nose base."""
    landmarks = (128 * np.random.default_rng(1).random((68, 2))).astype(np.float32)
    landmarks[33] = (64, 74)
    return landmarks


@pytest.fixture(scope="module")
def frames(drawn_landmarks: np.ndarray) -> Frames:
    rng = np.random.default_rng(2)
    return {
        "audio_windows": rng.normal(size=(FRAMES, 8, 16, 512)).astype(np.float32),
        "landmarks": drawn_landmarks + rng.normal(size=(FRAMES, 68, 2)).astype(np.float32),
    }


def make(
    model: PublishedDiffTalk, source: Any, frames: Frames, chosen: slice = slice(None), **options: Any
) -> np.ndarray:
    part = {name: values[chosen] for name, values in frames.items()}
    return model.refine(source, **{"drafts": None} | part | {"steps": 2, "seed": 1} | options)


@pytest.fixture(scope="module")
def source(model, face, drawn_landmarks):
    return model.encode_source(face, drawn_landmarks)


def test_the_small_model_is_refused(tiny_configuration):
    small = Denoiser(tiny_configuration), build_first_stage(tiny_configuration.first_stage)
    with pytest.raises(ValueError, match="refines drafts"):
        PublishedDiffTalk(SMALL, *small)


@torch.no_grad()
def test_it_computes_what_the_paper_says(model, face, drawn_landmarks, frames):
    """Noise, masked source, reference, audio and landmarks in; DDIM; the kept region is the source's at every step."""
    configuration, scaled = model.configuration, (frames["landmarks"][:MICRO_BATCH] + 0.5) / 2 - 0.5
    square = to_model_range(face[None])
    landmarks = torch.from_numpy((drawn_landmarks[None] + 0.5) / 2 - 0.5)
    own = encode(model._first_stage, square).expand(MICRO_BATCH, -1, -1, -1)
    masked = encode(model._first_stage, hide_below_nose(square, landmarks)).expand(MICRO_BATCH, -1, -1, -1)
    context = model._denoiser.context(torch.from_numpy(frames["audio_windows"][:MICRO_BATCH]), torch.from_numpy(scaled))
    levels = noise_levels(configuration.schedule, 2, 1.0)
    latent = noise = shared_noise((3, 16, 16), 1).expand(MICRO_BATCH, -1, -1, -1)
    keep = model._keep
    for step, level in enumerate(levels):
        latent = keep * add_noise(build_solver(configuration.schedule, levels), own, noise, level) + (1 - keep) * latent
        solver = build_solver(configuration.schedule, levels[step:])
        latent = denoise_one(solver, model._denoiser(latent, level, masked, own, context), level, latent)
    expected = decode(model._first_stage, keep * own + (1 - keep) * latent).clamp(-1, 1)

    made = make(model, model.encode_source(face, drawn_landmarks), frames, slice(MICRO_BATCH))
    assert np.abs(made - ((expected + 1) * 127.5).permute(0, 2, 3, 1).numpy()).max() <= 0.51


def denoise_one(solver, predicted, level, latent):
    return solver.step(predicted, level, latent).prev_sample


def test_the_same_seed_gives_the_same_and_another_seed_another(model, source, frames):
    first = make(model, source, frames, slice(2))
    assert first.shape == (2, 64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, make(model, source, frames, slice(2)))
    assert not np.array_equal(first, make(model, source, frames, slice(2), seed=2))


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(3, 6), slice(MICRO_BATCH - 1, FRAMES)])
def test_a_frame_does_not_depend_on_its_neighbours(model, source, frames, chosen):
    assert np.array_equal(make(model, source, frames)[chosen], make(model, source, frames, chosen))


def test_it_hears_and_sees_the_pose(model, source, frames):
    still = make(model, source, frames, slice(1))
    # loud and far: the answer of random weights is faint
    loud = make(model, source, frames | {"audio_windows": 100 * frames["audio_windows"]}, slice(1))
    turned = make(model, source, frames | {"landmarks": 100 * frames["landmarks"]}, slice(1))
    assert not np.array_equal(still, loud)
    assert not np.array_equal(still, turned)


def test_a_mouth_in_the_landmarks_is_not_seen(model, source, frames):
    opened = frames["landmarks"].copy()
    opened[:, 4:13] += 9
    opened[:, 48:] -= 7
    assert np.array_equal(make(model, source, frames), make(model, source, frames | {"landmarks": opened}))


def test_the_old_lips_of_a_video_do_not_show_where_the_face_is_made(model, face, drawn_landmarks, frames):
    """What the source has inside the mask reaches the model by the reference alone."""
    other = face.copy()
    made_here = model.mask == 1
    other[made_here] = 255 - other[made_here]
    reference = model.encode_source(face, drawn_landmarks)
    first, second = (model.encode_source(square, drawn_landmarks, reference) for square in (face, other))
    assert torch.equal(first.masked, second.masked)
    assert torch.equal(first.reference, second.reference)
    assert not torch.equal(first.own, second.own)


def test_another_reference_looks_otherwise(model, face, drawn_landmarks, source, frames):
    other = model.encode_source(np.ascontiguousarray(face[::-1]), drawn_landmarks)
    changed = model.encode_source(face, drawn_landmarks, other)
    assert not np.array_equal(make(model, source, frames, slice(1)), make(model, changed, frames, slice(1)))


class TestProgressive:
    def test_each_frame_is_the_reference_of_the_next(self, model, source, frames):
        progressive = ProgressiveReference()
        made = make(model, source, frames, slice(2), progressive=progressive)
        assert np.array_equal(made[0], make(model, source, frames, slice(1), progressive=ProgressiveReference())[0])
        assert not np.array_equal(
            made[1], make(model, source, frames, slice(1, 2), progressive=ProgressiveReference())[0]
        )
        assert progressive.latent is not None
        assert progressive.latent.shape == (1, 3, 16, 16)

    @pytest.mark.parametrize("cut", [1, 4])
    def test_cut_anywhere_it_goes_on_from_its_state(self, model, source, frames, cut):
        whole, state = ProgressiveReference(), ProgressiveReference()
        together = make(model, source, frames, slice(6), progressive=whole)
        parts = [make(model, source, frames, part, progressive=state) for part in (slice(cut), slice(cut, 6))]
        assert np.array_equal(np.concatenate(parts), together)
        assert whole.latent is not None
        assert torch.equal(whole.latent, state.latent)


class TestDrafts:
    def test_a_draft_is_reference_and_start(self, model, source, frames):
        rng = np.random.default_rng(3)
        one, other = (rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8) for _ in range(2))
        first, second = (make(model, source, frames, slice(2), drafts=drafts) for drafts in (one, other))
        assert not np.array_equal(first, second)
        assert np.array_equal(first, make(model, source, frames, slice(2), drafts=one))

    def test_it_cannot_be_progressive_too(self, model, source, frames, face):
        with pytest.raises(ValueError, match="cannot be the frame before"):
            make(model, source, frames, slice(1), drafts=face[None], progressive=ProgressiveReference())


def test_steps_are_counted_over_all_batches_and_can_be_canceled(model, source, frames):
    seen: list[tuple[int, int]] = []

    def watch(done: int, of: int) -> None:
        seen.append((done, of))
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        make(model, source, frames, on_step=watch)
    assert seen == [(1, 4), (2, 4), (3, 4)]


def test_latents_of_frames_lie_one_behind_the_other(model, source):
    both = SourceLatents.of_frames([source, source])
    assert type(both) is type(source)
    assert both.own.shape == (2, 3, 16, 16)
    assert torch.equal(both.at(np.array([1, 1])).masked[:1], source.masked)
