"""A model of the published kind goes the whole way through the service's pipeline; tiny, with random weights."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.common.errors import ProblemError
from services.common.stopwatch import Stopwatch
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.import_checkpoint import import_checkpoint
from services.talkinghead.face_maker import FaceMaker
from services.talkinghead.pipeline import Segment, TalkingHead
from services.talkinghead.portrait.animate import animate
from services.talkinghead.revoice.edit import edit_frames
from services.talkinghead.schemas import PortraitOptions, SegmentOptions, TrackOptions
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.video.decode import open_video
from tests.talkinghead.conftest import load_head
from tests.talkinghead.videos import decode_video, make_video


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def heard(published_head: TalkingHead, example_speech: bytes) -> PreparedSpeech:
    return published_head.prepare_speech(published_head.read_speech(example_speech))[1]


@pytest.fixture(scope="module")
def first(heard: PreparedSpeech) -> int:
    """Twelve frames from here on: silence, then speech."""
    return int(np.flatnonzero(heard.actions.any(axis=1))[0]) - 2


@pytest.fixture(scope="module")
def said(heard: PreparedSpeech, first: int) -> PreparedSpeech:
    """Those twelve frames alone, as a speech."""
    part = slice(first, first + 12)
    return PreparedSpeech(heard.actions[part], heard.features[2 * first : 2 * first + 24])


@pytest.fixture(scope="module")
def clip(example_portrait: bytes) -> bytes:
    picture = np.asarray(Image.open(io.BytesIO(example_portrait)).convert("RGB").resize((256, 300)))
    return make_video([np.roll(picture, n, axis=1) for n in range(8)], 25)


Cuts = list[tuple[int, int]]
Run = Callable[[FaceMaker], Iterator[np.ndarray]]


@pytest.fixture(scope="module")
def still(published_head: TalkingHead, example_portrait: bytes, said: PreparedSpeech) -> Run:
    portrait = published_head.portrait(example_portrait, None)
    return lambda maker: animate(published_head._models, portrait, said, maker, Stopwatch())


@pytest.fixture(scope="module")
def revoiced(published_head: TalkingHead, clip: bytes, said: PreparedSpeech) -> Iterator[Run]:
    _, track = published_head.track(clip, TrackOptions(), nothing)
    with open_video(clip, 1) as reader:
        yield lambda maker: edit_frames(published_head._models, reader, track, said, maker=maker, watch=Stopwatch())


def joined(head: TalkingHead, run: Run, cuts: Cuts, **how: Any) -> tuple[np.ndarray, bytes | None]:
    """The frames of segments made one behind the other, each from the bytes that the one before left."""
    frames: list[np.ndarray] = []
    state: bytes | None = None
    for start, stop in cuts:
        options = SegmentOptions(first_frame=start, frames=stop - start, **{"steps": 2, "still": True} | how)
        maker = FaceMaker.of(head._models.difftalk, options, nothing, state)
        frames += run(maker)
        state = maker.state
    return np.stack(frames), state


def frames_of(portrait: bytes, head: TalkingHead, speech: PreparedSpeech, **how: Any) -> np.ndarray:
    options = SegmentOptions(first_frame=0, frames=speech.frames, **{"steps": 2, "still": True} | how)
    return np.stack(list(head.frames(head.portrait(portrait, None), speech, options, nothing)))


@pytest.mark.parametrize("draft", [None, True])
def test_a_still_talks_from_noise_or_from_a_draft(published_head, example_portrait, said, draft):
    made = frames_of(example_portrait, published_head, said, draft=draft)
    portrait = published_head.portrait(example_portrait, None)
    assert np.array_equal(made[0], portrait.pixels)  # silence
    changed = (made[-1] != portrait.pixels).any(axis=2)
    outside = np.ones_like(changed)
    outside[portrait.canvas.rows, portrait.canvas.columns] = False
    assert changed.mean() > 0.01
    assert not changed[outside].any()


def test_the_face_is_laid_in_softly(published_head, example_portrait, said):
    """From the rim of what was made inwards the difference grows; there is no edge."""
    made = frames_of(example_portrait, published_head, said)[-1].astype(float)
    portrait = published_head.portrait(example_portrait, None)
    difference = np.abs(made - portrait.pixels).mean(axis=2)
    rows, columns = np.nonzero(difference)
    rim = difference[[rows.min(), rows.max()]].max(), difference[:, [columns.min(), columns.max()]].max()
    assert max(rim) < 0.25 * difference.max()


@pytest.mark.parametrize("how", [{}, {"draft": True}, {"progressive": True}], ids=["published", "draft", "progressive"])
@pytest.mark.parametrize("kind", ["still", "revoiced"])
def test_joined_segments_are_what_one_run_makes_bit_for_bit(request, published_head, kind, how):
    run = request.getfixturevalue(kind)
    whole, left = joined(published_head, run, [(0, 12)], **how)
    parts, left_by_parts = joined(published_head, run, [(0, 5), (5, 6), (6, 12)], **how)
    assert len(whole) == 12
    assert sum((one != next_).any() for one, next_ in pairwise(whole)) > 2  # it moves
    assert np.array_equal(parts, whole)
    assert left == left_by_parts
    assert (left is not None) == ("progressive" in how)


def test_independent_segments_may_be_made_in_any_order(published_head, still):
    whole, _ = joined(published_head, still, [(0, 12)])
    later, earlier = (joined(published_head, still, [cut])[0] for cut in ((7, 12), (0, 7)))
    assert np.array_equal(np.concatenate([earlier, later]), whole)


def test_a_segment_and_its_state_come_from_the_service_in_one_piece(published_head, example_portrait, said):
    def segment(first_frame: int, state: bytes | None) -> Segment:
        options = SegmentOptions(first_frame=first_frame, frames=6, steps=3, progressive=True)
        return published_head.make_segment(example_portrait, said.to_bytes(), options, nothing, state=state)[1]

    one = segment(0, None)
    assert len(decode_video(one.video)) == 6
    two, again = segment(6, one.state), segment(6, one.state)
    assert two.state == again.state
    assert two.state != one.state


def test_progressive_frames_depend_on_those_before(published_head, example_portrait, said):
    plain, progressive = (frames_of(example_portrait, published_head, said, progressive=p) for p in (False, True))
    assert not np.array_equal(plain[-1], progressive[-1])


def test_speech_is_heard_as_the_model_was_trained(published_head, heard):
    assert heard.features.shape == (2 * heard.frames, 512)
    assert not np.array_equal(heard.features[:, :11], heard.actions.repeat(2, axis=0))


@pytest.mark.parametrize(
    ("how", "state", "param"),
    [
        ({"progressive": True, "draft": True}, None, "progressive"),
        ({"first_frame": 4, "progressive": True}, None, "state"),
        ({"progressive": True}, b"x", "state"),
        ({}, b"x", "state"),
        ({"first_frame": 4, "progressive": True}, b"no state", "state"),
    ],
    ids=["both", "no state", "state at the beginning", "state of an independent segment", "no such state"],
)
def test_ways_that_cannot_be_are_refused(published_head, how, state, param):
    options = SegmentOptions(**{"first_frame": 0, "frames": 1} | how)
    with pytest.raises(ProblemError) as caught:
        FaceMaker.of(published_head._models.difftalk, options, nothing, state)
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)


@pytest.mark.parametrize(("how", "param"), [({"draft": False}, "draft"), ({"progressive": True}, "progressive")])
def test_the_small_model_needs_drafts_and_says_so_before_anything_is_made(talking_head, example_portrait, how, param):
    with pytest.raises(ProblemError) as caught:
        talking_head.describe_portrait(example_portrait, PortraitOptions(**how))
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)


def test_a_file_of_features_is_refused_where_they_are_made_here(published_head, example_speech):
    audio = replace(published_head.read_speech(example_speech), samples=np.zeros(640, np.float32))
    with pytest.raises(ProblemError, match="hears 'whisper' features") as caught:
        published_head.prepare_speech(audio, b"features")
    assert caught.value.param == "features"


def test_an_imported_checkpoint_talks_to_the_deepspeech_logits_that_come_with_the_speech(
    tmp_path, example_portrait, example_speech
):
    golden = Path(__file__).parent / "difftalk" / "golden" / "checkpoint.ckpt"
    folder = import_checkpoint(golden, tmp_path / "model", square_px=64).folder
    head = load_head(TalkingHeadSettings(threads=1, talkinghead_model=folder))
    audio = head.read_speech(example_speech)
    with pytest.raises(ProblemError, match="give them as a file") as caught:
        head.prepare_speech(audio)
    assert caught.value.param == "features"

    logits = np.random.default_rng(0).normal(size=(round(50 * audio.duration_s), 29)).astype(np.float32)
    npy = io.BytesIO()
    np.save(npy, logits)
    _, speech = head.prepare_speech(audio, npy.getvalue())
    assert np.array_equal(speech.features[: len(logits)], logits[: len(speech.features)])
    loudest = int(np.abs(speech.actions).sum(1).argmax())
    options = SegmentOptions(first_frame=loudest, frames=2, steps=2, still=True)
    made = list(head.frames(head.portrait(example_portrait, None), speech, options, nothing))
    assert (made[0] != head.portrait(example_portrait, None).pixels).any()
