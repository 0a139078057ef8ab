"""The whole pipeline with the models that ship, on the example portrait and speech."""

import hashlib
import io
from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from services.common.errors import ProblemError
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.draft.lips import opening_ratio
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.schemas import PortraitOptions, SegmentOptions


@pytest.fixture(scope="module")
def prepared(talking_head: TalkingHead, example_speech: bytes) -> PreparedSpeech:
    return talking_head.prepare_speech(talking_head.read_speech(example_speech))[1]


@pytest.fixture(scope="module")
def loudest(prepared: PreparedSpeech) -> int:
    """A frame in the middle of speech."""
    return int(np.abs(prepared.actions).sum(1).argmax())


def make(head: TalkingHead, portrait: bytes, speech: PreparedSpeech, first: int, frames: int, **options: int):
    """Frames as an array; still but for the mouth unless told otherwise."""
    chosen = SegmentOptions(first_frame=first, frames=frames, **({"steps": 2, "still": True} | options))
    return np.stack(list(head.frames(head.portrait(portrait, None), speech, chosen, lambda: None)))


def pixels_of(portrait: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(portrait)).convert("RGB"))


class TestPortrait:
    def test_it_is_described(self, talking_head, example_portrait):
        report = talking_head.describe_portrait(example_portrait, PortraitOptions())
        assert (report.width, report.height) == (512, 600)
        x0, y0, x1, y1 = report.face_box
        assert 100 < x0 < x1 < 420
        assert 60 < y0 < y1 < 420
        assert report.face_size_px > 128

    def test_without_a_face_it_is_refused(self, talking_head):
        noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
        with pytest.raises(ProblemError) as caught:
            talking_head.portrait(png(noise), None)
        assert (caught.value.code, caught.value.param) == ("no_face", "portrait")

    def test_several_faces_ask_for_a_choice_and_name_them(self, talking_head, example_portrait):
        two = png(np.concatenate([pixels_of(example_portrait)] * 2, axis=1))
        with pytest.raises(ProblemError) as caught:
            talking_head.portrait(two, None)
        assert caught.value.code == "several_faces"
        assert len(caught.value.extra["faces"]) == 2
        right = talking_head.portrait(two, 1)
        assert right.face_box[0] > 512

    def test_a_tiny_face_is_refused(self, talking_head, example_portrait):
        small = np.asarray(Image.fromarray(pixels_of(example_portrait)).resize((100, 117)))
        canvas = np.full((240, 240, 3), 128, np.uint8)
        canvas[60:177, 60:160] = small
        with pytest.raises(ProblemError) as caught:
            talking_head.portrait(png(canvas), None)
        assert caught.value.code in ("face_too_small", "no_face")

    def test_the_last_ones_are_remembered_by_content(self, talking_head, example_portrait):
        assert talking_head.portrait(example_portrait, None) is talking_head.portrait(bytes(example_portrait), None)

    def test_one_that_is_to_be_forgotten_is_analysed_anew(self, talking_head, example_portrait):
        known = talking_head.portrait(example_portrait, None)
        talking_head.forget(hashlib.sha256(example_portrait).hexdigest())
        assert talking_head.portrait(example_portrait, None) is not known


class TestFrames:
    def test_only_the_lower_half_of_the_face_changes(self, talking_head, example_portrait, prepared, loudest):
        (frame,) = make(talking_head, example_portrait, prepared, loudest, 1)
        portrait = talking_head.portrait(example_portrait, None)
        changed = (frame != portrait.pixels).any(axis=2)
        outside = np.ones_like(changed)
        outside[portrait.canvas.rows, portrait.canvas.columns] = False
        assert changed.sum() > 500
        assert not changed[outside].any()

    def test_a_silent_frame_is_the_portrait_itself(self, talking_head, example_portrait, prepared):
        silent = int(np.flatnonzero(~prepared.actions.any(axis=1))[0])
        (frame,) = make(talking_head, example_portrait, prepared, silent, 1)
        assert np.array_equal(frame, pixels_of(example_portrait))

    def test_a_living_head_sways_a_little_in_silence_and_its_surroundings_stay(
        self, talking_head, example_portrait, prepared
    ):
        silent = np.flatnonzero(~prepared.actions.any(axis=1))
        (frame,) = make(talking_head, example_portrait, prepared, int(silent[-1]), 1, still=False)
        portrait = talking_head.portrait(example_portrait, None)
        assert (frame != portrait.pixels).any(axis=2).mean() > 0.05
        assert np.array_equal(frame[[0, -1]], portrait.pixels[[0, -1]])

    def test_the_mouth_of_the_made_frames_opens_with_the_jaw(self, talking_head, example_portrait, prepared):
        numbers = [n for n in range(prepared.frames) if prepared.actions[n].any()]
        order = sorted(numbers, key=lambda n: prepared.actions[n, 0])
        openings = []
        for number in (order[0], order[-1]):
            (frame,) = make(talking_head, example_portrait, prepared, number, 1)
            face = talking_head.portrait(png(frame), None)
            openings.append(float(opening_ratio(face.landmarks)))
        assert openings[1] > openings[0] + 0.08

    @pytest.mark.parametrize("cut", [1, 3, 8])
    def test_segments_join_to_what_one_run_makes(self, talking_head, example_portrait, prepared, loudest, cut):
        first = max(loudest - 5, 0)
        whole = make(talking_head, example_portrait, prepared, first, 10, still=False)
        parts = [
            make(talking_head, example_portrait, prepared, first, cut, still=False),
            make(talking_head, example_portrait, prepared, first + cut, 10 - cut, still=False),
        ]
        assert np.array_equal(np.concatenate(parts), whole)

    def test_the_same_seed_gives_the_same_and_another_seed_another(
        self, talking_head, example_portrait, prepared, loudest
    ):
        one, same, other = (make(talking_head, example_portrait, prepared, loudest, 1, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_frames_beyond_the_speech_are_refused(self, talking_head, example_portrait, prepared):
        with pytest.raises(ProblemError, match="is more than the"):
            make(talking_head, example_portrait, prepared, prepared.frames - 1, 2)

    def test_a_check_that_raises_stops_the_work(self, talking_head, example_portrait, prepared, loudest):
        def stop() -> None:
            raise ProblemError("canceled", "the caller is gone")

        chosen = SegmentOptions(first_frame=loudest, frames=3)
        with pytest.raises(ProblemError, match="gone"):
            next(talking_head.frames(talking_head.portrait(example_portrait, None), prepared, chosen, stop))


class TestSpeech:
    def test_frames_cover_the_speech(self, talking_head, example_speech):
        audio = talking_head.read_speech(example_speech)
        report, speech = talking_head.prepare_speech(audio)
        assert report.frames == speech.frames == -(-len(audio.samples) // 640)
        assert 0 <= report.frames / 25 - report.duration_s < 0.04

    def test_sound_without_a_voice_leaves_the_mouth_shut_and_says_so(self, talking_head, example_speech):
        audio = talking_head.read_speech(example_speech)
        hum = 0.1 * np.sin(2 * np.pi * 100 * np.arange(32_000) / 16_000).astype(np.float32)
        report, speech = talking_head.prepare_speech(replace(audio, samples=hum))
        assert not speech.actions.any()
        assert report.warnings == ["speech: no voice was heard in it; the mouth stays shut"]


def test_a_segment_is_a_video_with_a_report(talking_head, example_portrait, prepared, loudest):
    options = SegmentOptions(first_frame=loudest, frames=4, steps=1)
    report, made = talking_head.make_segment(example_portrait, prepared.to_bytes(), options, lambda: None)
    assert (report.first_frame, report.frames, report.width, report.height) == (loudest, 4, 512, 600)
    assert set(report.timings_s) == {"portrait", "speech", "draft", "refine", "paste", "alive", "encode"}
    assert made.state is None
    with av.open(io.BytesIO(made.video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def png(pixels: np.ndarray) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()
