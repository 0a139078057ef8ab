import numpy as np
import pytest

from services.talkinghead import bench
from services.talkinghead.bench import Quality, similarity

ROWS = [
    Quality(4, "ddim", 41.0, 0.991, 12.5),
    Quality(4, "dpm-solver++", 42.0, 0.992, 12.0),
    Quality(200, "published", np.inf, 1.0, 0.25),
]


def test_equal_frames_are_alike_and_noise_is_measured():
    frames = np.random.default_rng(0).integers(60, 190, (2, 32, 32, 3), dtype=np.uint8)
    assert similarity(frames, frames) == (np.inf, 1.0)
    psnr_db, ssim = similarity(frames, frames + np.uint8(5))
    assert psnr_db == pytest.approx(10 * np.log10(255**2 / 25), abs=0.01)
    assert 0.9 < ssim < 1


def test_the_default_is_set_against_the_published_way():
    figures = bench.sampler_figures(ROWS)
    assert figures["ratio"].value == 50
    assert figures["ssim against published"].value == 0.991


def test_the_arithmetic_of_the_paper_s_model_follows_from_its_calls():
    figures = bench.base_figures()
    calls, gflop = figures["base-256 as published, per second of video"], figures["base-256 UNet call"]
    assert calls.value == 5000
    assert figures["base-256 as published, arithmetic"].value == pytest.approx(
        calls.value * gflop.value / 1e3, rel=0.01
    )


def test_it_is_told_as_a_table_and_drawn(tmp_path):
    report = {
        "figures": {"ratio": {"value": 50.0, "unit": "times"}},
        "steps": [vars(row) for row in ROWS],
    }
    assert "| ratio | 50.0 times |" in bench.table(report)
    assert "| 200 | published | inf | 1.0 | 0.25 |" in bench.table(report)
    bench.draw(report, tmp_path / "steps.png")
    assert (tmp_path / "steps.png").read_bytes()[1:4] == b"PNG"
