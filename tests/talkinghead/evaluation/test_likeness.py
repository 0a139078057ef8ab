import cv2
import numpy as np
import pytest

from services.talkinghead.evaluation.likeness import efficientnet_distance, psnr_db, ssim
from tests.talkinghead.conftest import draw_face


@pytest.fixture(scope="module")
def mouths():
    """Two pictures of 48 x 64 px: lips shut, and lips apart."""
    return [draw_face(opening=opening).pixels[165:213, 98:162][None] for opening in (0.0, 7.0)]


def test_equal_frames_are_alike(mouths, judges):
    shut, _ = mouths
    assert psnr_db(shut, shut) is None
    assert ssim(shut, shut) == 1
    assert efficientnet_distance(shut, shut, judges.features) == 0


def test_psnr_follows_from_the_error_and_leaves_equal_frames_out():
    frames = np.random.default_rng(0).integers(60, 190, (2, 32, 32, 3), dtype=np.uint8)
    changed = frames.copy()
    changed[1] += 5
    assert psnr_db(changed, frames) == pytest.approx(10 * np.log10(255**2 / 25))


def test_the_network_sees_another_mouth_rather_than_a_slightly_shifted_one(mouths, judges):
    shut, apart = mouths
    shifted = np.roll(shut, 1, axis=2)
    assert efficientnet_distance(apart, shut, judges.features) > 1.3 * efficientnet_distance(
        shifted, shut, judges.features
    )


def test_the_network_sees_a_blur_that_psnr_forgives(mouths, judges):
    shut, _ = mouths
    blurred = cv2.GaussianBlur(shut[0], (0, 0), 1.5)[None]
    noisy = np.clip(shut + np.random.default_rng(0).normal(0, 4, shut.shape), 0, 255).astype(np.uint8)
    assert efficientnet_distance(blurred, shut, judges.features) > efficientnet_distance(noisy, shut, judges.features)


def test_a_clip_s_distance_is_the_mean_of_its_frames(mouths, judges):
    shut, apart = mouths
    both = efficientnet_distance(np.concatenate([shut, apart] * 5), np.concatenate([shut] * 10), judges.features)
    assert both == pytest.approx(efficientnet_distance(apart, shut, judges.features) / 2, rel=1e-4)
