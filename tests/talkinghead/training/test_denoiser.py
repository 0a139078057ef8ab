import numpy as np
import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.sampler import build_scheduler
from services.talkinghead.training.denoiser import PairPool, denoising_loss, encode_group, train, weight_map
from services.talkinghead.training.pairs import PairGroup, make_pairs


@pytest.fixture(scope="module")
def pairs(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for part in ("train", "test"):
        make_pairs(clips / part, folder / part)
    return folder


@pytest.fixture(scope="module")
def first_stage(tiny_configuration):
    torch.manual_seed(0)
    return build_first_stage(tiny_configuration.first_stage).eval()


def test_a_group_becomes_latents_and_a_changed_copy_differs(pairs, first_stage, tiny_configuration):
    group = PairGroup.load(pairs / "train" / "0000-rest.npz")
    plain = encode_group(group, first_stage, tiny_configuration, None)
    changed = encode_group(group, first_stage, tiny_configuration, np.random.default_rng(0))
    height, width = tiny_configuration.window.height // 2, tiny_configuration.window.width // 2
    assert plain.clean.shape == plain.reference.shape == plain.masked.shape == (len(group.drafts), 3, height, width)
    assert not torch.equal(plain.clean, changed.clean)


def test_the_pool_takes_in_what_has_come_since(pairs, first_stage, tiny_configuration, tmp_path):
    pool = PairPool(tmp_path, first_stage, tiny_configuration, seed=0)
    with pytest.raises(FileNotFoundError, match="no pairs"):
        pool.refresh()
    PairGroup.load(pairs / "train" / "0000-rest.npz").save(tmp_path / "0000-rest.npz")
    before = len(pool.refresh())
    PairGroup.load(pairs / "train" / "0001-rest.npz").save(tmp_path / "0001-rest.npz")
    assert len(pool.refresh()) == 2 * before


def test_the_mouth_weighs_most_and_what_is_kept_least(tiny_configuration):
    weights = weight_map(tiny_configuration)[0, 0]
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights[weights.shape[0] // 2 - 2, weights.shape[1] // 2] > 5 * weights[0, 0]


def test_loss_falls_within_a_few_steps(pairs, first_stage, tiny_configuration):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    batch = PairPool(pairs / "train", first_stage, tiny_configuration, 0).refresh().take(torch.arange(8))
    denoiser = Denoiser(tiny_configuration)
    optimiser = torch.optim.AdamW(denoiser.parameters(), 2e-3)
    alphas, weights = build_scheduler(tiny_configuration.schedule).alphas_cumprod, weight_map(tiny_configuration)
    losses = []
    for _ in range(30):
        loss = denoising_loss(denoiser, batch, alphas, weights, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_a_short_run_writes_a_model_that_loads(pairs, first_stage, tiny_configuration, tmp_path, capsys):
    first_stage.save_pretrained(tmp_path / "first_stage")
    train(
        pairs, tmp_path / "first_stage", tmp_path / "out", minutes=0.03, configuration=tiny_configuration, batch_size=2
    )
    configuration, _, _ = checkpoint.load(tmp_path / "out")
    assert configuration == tiny_configuration
    assert "wrong audio" in capsys.readouterr().out
