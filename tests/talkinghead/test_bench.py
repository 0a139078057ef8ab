from types import SimpleNamespace

import numpy as np
import pytest

from services.talkinghead import bench
from services.talkinghead.bench import Quality, similarity
from services.talkinghead.bench_lengths import length_figures

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


class CountingHead:
    """Prepares and makes nothing; remembers which segments of which length it was asked for."""

    def __init__(self) -> None:
        self.asked: dict[int, list[int]] = {}

    def prepare_speech(self, audio):
        frames = round(audio.duration_s * 25)
        return None, SimpleNamespace(frames=frames, to_bytes=lambda: frames.to_bytes(4, "big"))

    def make_segment(self, _portrait, speech, options, _check):
        frames = int.from_bytes(speech, "big")
        assert options.first_frame + options.frames <= frames
        self.asked.setdefault(frames // 25, []).append(options.first_frame // 25)


def test_lengths_are_compared_by_the_same_seconds_early_and_late():
    head = CountingHead()
    figures = length_figures(head, b"", np.random.default_rng(0).normal(0, 0.1, 16000 * 8).astype(np.float32))
    for length_s, seconds in head.asked.items():
        assert seconds[0] == length_s - 1  # for the memory
        assert [second % 5 for second in seconds[1:]] == [0, 1, 2, 3, 4] * 3
        assert seconds[-1] == length_s - 1
    assert list(head.asked) == [5, 30, 120]
    assert {f"{n} s of speech, {what}" for n in (5, 30, 120) for what in ("cost", "memory")} < figures.keys()
