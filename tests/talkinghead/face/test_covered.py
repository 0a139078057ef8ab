"""Is the mouth covered? By landmarks of a real face, and by rows of numbers."""

import cv2
import numpy as np
import pytest

from services.common.pictures import read_picture
from services.talkinghead.face.covered import COVERED_PORTRAIT, covered_frames, disagreement


@pytest.fixture(scope="module")
def face(talking_head, example_portrait):
    """Picture, landmarks."""
    pixels = read_picture(example_portrait, param="portrait").pixels
    return pixels, talking_head._models.faces.find(pixels)[0].landmarks


def doubt(talking_head, pixels, landmarks):
    return disagreement(talking_head._models.faces.landmarker, pixels, landmarks)


def test_a_mouth_that_is_seen_is_found_at_one_place(talking_head, face):
    assert doubt(talking_head, *face) < 0.6


@pytest.mark.parametrize("colour", [(40, 38, 36), (205, 160, 135)], ids=["microphone", "skin"])
def test_a_covered_mouth_is_guessed_at(talking_head, face, colour):
    pixels, landmarks = face
    covered = pixels.copy()
    (x, y), radius = landmarks[48:].mean(0), 0.9 * np.linalg.norm(landmarks[54] - landmarks[48])
    cv2.circle(covered, (round(x), round(y)), round(radius), colour, -1, cv2.LINE_AA)
    assert doubt(talking_head, covered, landmarks) > COVERED_PORTRAIT


def test_a_run_of_doubt_is_covered_with_the_frames_beside_it():
    doubts = np.full(40, 0.4, np.float32)
    doubts[15:25] = 1.5
    assert np.flatnonzero(covered_frames(doubts)).tolist() == list(range(12, 28))


def test_single_slips_of_the_landmarker_are_none():
    doubts = np.full(40, 0.4, np.float32)
    doubts[[5, 20, 21]] = 1.5
    assert not covered_frames(doubts).any()


def test_a_face_that_is_always_less_sure_is_judged_by_itself():
    bearded = np.full(40, 0.6, np.float32)
    bearded[10:20] = 0.85
    assert not covered_frames(bearded).any()
    shaven = bearded - 0.2
    shaven[10:20] = 0.85
    assert covered_frames(shaven)[10:20].all()


def test_a_video_that_is_covered_throughout_is_known():
    assert covered_frames(np.full(10, 1.4, np.float32)).all()


def test_frames_without_a_face_are_no_evidence():
    doubts = np.full(20, np.nan, np.float32)
    assert not covered_frames(doubts).any()
    doubts[::2] = 0.4
    assert not covered_frames(doubts).any()
