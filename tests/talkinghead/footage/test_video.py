"""Videos of the example portrait that talks, whole or in the ways that footage can be bad."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.talkinghead.audio.decode import decode_speech
from services.talkinghead.footage import keep
from services.talkinghead.footage.shard import Footage, shard_bytes
from services.talkinghead.footage.sound import is_silent, read_sound
from services.talkinghead.footage.takes import find_takes
from services.talkinghead.footage.video import VideoMaker, plan
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.schemas import FPS, SegmentOptions
from services.talkinghead.speech.actions import SAMPLE_RATE_HZ
from tests.talkinghead.videos import gradient, make_video


@pytest.fixture(scope="module")
def maker(talking_head: TalkingHead) -> VideoMaker:
    models = talking_head._models
    return VideoMaker(models.faces, models.speech, models.action_basis, 128)


def save(folder: Path, data: bytes) -> Path:
    path = folder / "video.mp4"
    path.write_bytes(data)
    return path


def test_footage_without_a_face_gives_nothing_and_says_why(tmp_path: Path, maker: VideoMaker):
    path = save(tmp_path, make_video([gradient(120, 160, n // 5) for n in range(25)], sound=True))
    made = maker(plan(find_takes([path]))[0])
    assert (made.clips, made.account.kept_s, made.account.seen_s) == ([], 0, 1.0)
    assert made.account.left_out_s == {keep.NO_FACE: 1.0}


def test_footage_without_sound_and_files_that_are_none_are_refused(tmp_path: Path, maker: VideoMaker):
    for data, reason in (
        (make_video([gradient(60, 80, n) for n in range(5)]), "video.mp4: the video has no sound"),
        (
            b"no video",
            "video.mp4: 8 bytes are no video file that can be read (Invalid data found when processing input)",
        ),
    ):
        path = save(tmp_path, data)
        made = maker(plan(find_takes([path]))[0])
        assert made.clips == []
        assert made.account.refused == reason


def test_sound_is_read_by_its_times(tmp_path: Path):
    path = save(tmp_path, make_video([gradient(60, 80)] * 30, sound=True))  # 1 s of a constant
    inside, around = read_sound(path, 0.4, 0.6), read_sound(path, -0.5, 2.0)
    assert (len(inside), len(around)) == (3200, 40000)
    assert np.abs(inside).mean() > 0.02
    assert not around[:7000].any()
    assert not around[26000:].any()
    assert is_silent(around[:7000])
    assert not is_silent(around)


SpeakerFrame = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def speaker(talking_head: TalkingHead, example_portrait: bytes) -> SpeakerFrame:
    """Facial actions (11,) -> the example portrait that does them, (300, 256, 3)."""
    portrait = talking_head.portrait(example_portrait, None)
    basis = talking_head._models.action_basis
    mouth = np.linalg.norm(portrait.landmarks[54] - portrait.landmarks[48])

    def frame(actions: np.ndarray) -> np.ndarray:
        shifts = 1.5 * mouth * np.tensordot(actions, basis, 1)
        motion = portrait.warp.motion((portrait.landmarks + shifts).astype(np.float32))
        drawn = portrait.warp.draw(portrait.pixels, portrait.canvas, motion)
        return cv2.resize(drawn, (256, 300), interpolation=cv2.INTER_AREA)

    return frame


def test_two_people_in_the_picture_are_left_out(tmp_path: Path, maker: VideoMaker, speaker: SpeakerFrame):
    both = np.hstack([speaker(np.zeros(11))] * 2)
    path = save(tmp_path, make_video([both] * 10, sound=True))
    made = maker(plan(find_takes([path]))[0])
    assert made.clips == []
    assert made.account.left_out_s == {keep.OTHER_FACE: 0.4}


@pytest.mark.slow
def test_a_talking_head_becomes_clips_and_its_sound_is_brought_in_step(
    tmp_path: Path, maker: VideoMaker, talking_head: TalkingHead, example_portrait: bytes, example_speech: bytes
):
    """Seven seconds whose sound is 0.2 s late, and the same pictures with the sound of two seconds before."""
    audio = talking_head.read_speech(example_speech)
    _, prepared = talking_head.prepare_speech(audio)
    options = SegmentOptions(first_frame=0, frames=7 * FPS, steps=1)
    made_frames = talking_head.frames(talking_head.portrait(example_portrait, None), prepared, options, lambda: None)
    frames = [cv2.resize(frame, (256, 300), interpolation=cv2.INTER_AREA) for frame in made_frames]
    speech = decode_speech(example_speech, 60).samples[: 7 * SAMPLE_RATE_HZ]
    late = np.pad(speech, (SAMPLE_RATE_HZ // 5, 0))
    path = save(tmp_path, make_video(frames, sound=late))
    made = maker(plan(find_takes([path]))[0])
    assert made.account.sound_lag_s == pytest.approx(0.2, abs=0.04)
    assert made.account.kept_s > 6
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "x.safetensors").write_bytes(shard_bytes(made.clips))
    clip = Footage(tmp_path, "train")[0]
    assert clip.pictures().shape == (len(clip), 128, 128, 3)
    assert len(clip.wave) == len(clip.actions) * 640 == len(clip) * 640
    mouths = clip.landmarks[:, 48:68]
    assert ((mouths > 30) & (mouths < 110)).all()
    np.testing.assert_allclose(clip.loudness, np.sqrt(np.square(clip.wave / 32767).reshape(-1, 640).mean(1)), atol=1e-3)

    other = np.roll(speech, 2 * SAMPLE_RATE_HZ)
    made = maker(plan(find_takes([save(tmp_path, make_video(frames, sound=other))]))[0])
    assert made.clips == []
    assert keep.OUT_OF_SYNC in made.account.left_out_s
