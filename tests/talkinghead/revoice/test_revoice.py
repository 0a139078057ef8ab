"""Videos voiced anew with the models that ship: what changes, what does not, and that segments join."""

import io
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from services.common.errors import ProblemError
from services.common.stopwatch import Stopwatch
from services.talkinghead.draft.lips import opening_ratio
from services.talkinghead.face_maker import FaceMaker
from services.talkinghead.revoice.edit import edit_frames, video_frames
from services.talkinghead.revoice.track import FaceTrack
from services.talkinghead.schemas import PortraitOptions, SegmentOptions, TrackOptions
from services.talkinghead.video.decode import open_video
from services.talkinghead.video.timeline import back_and_forth
from tests.talkinghead.videos import decode_video, gradient, make_video, with_matrix


def track_of(head, video, face=None):
    return head.track(video, TrackOptions(face=face), lambda: None)


def made_frames(head, video, track, speech, span):
    first, last = span
    options = SegmentOptions(first_frame=first, frames=last - first, steps=1)
    maker = FaceMaker.of(head._models.difftalk, options, lambda: None)
    with open_video(video, 1) as reader:
        return list(edit_frames(head._models, reader, track, speech, maker=maker, watch=Stopwatch()))


def source_frames(video):
    with open_video(video, 1) as reader:
        return [reader.upright.pixels(frame) for _, frame in reader.decoded()]


def larger(pixels):
    height, width = pixels.shape[:2]
    return cv2.resize(pixels[height // 12 : -height // 12, width // 12 : -width // 12], (width, height))


def with_hand(pixels):
    """A disc and three fingers in the colour of the person's cheek."""
    covered = pixels.copy()
    skin = tuple(int(value) for value in pixels[118:126, 100:112].reshape(-1, 3).mean(0) * 0.9)
    cv2.ellipse(covered, (122, 146), (30, 18), 15, 0, 360, skin, -1, cv2.LINE_AA)
    for finger in range(3):
        cv2.line(covered, (122, 140 + 9 * finger), (154, 130 + 9 * finger), skin, 7, cv2.LINE_AA)
    return covered


@pytest.fixture(scope="module")
def clip(person):
    """20 frames at 30000/1001 a second; in the middle nobody is seen."""
    frames = [gradient(300, 256, n) if 8 <= n < 12 else person(n) for n in range(20)]
    return make_video(frames, Fraction(30000, 1001), sound=True)


@pytest.fixture(scope="module")
def tracked(talking_head, clip):
    return track_of(talking_head, clip)


@pytest.fixture(scope="module")
def whole(talking_head, clip, tracked, babble):
    return made_frames(talking_head, clip, tracked[1], babble, (0, video_frames(babble.frames, tracked[1])))


class TestTrack:
    def test_rate_size_and_untouched_ranges_are_told(self, tracked):
        report, _ = tracked
        assert (report.width, report.height, report.fps, report.frames) == (256, 300, (30000, 1001), 20)
        assert report.warnings == ["source: frames 8 to 11 (0.27 to 0.40 s) are untouched: no face was found"]

    def test_it_survives_the_journey(self, tracked):
        _, track = tracked
        again = FaceTrack.from_bytes(track.to_bytes())
        assert again.fps == track.fps
        for name in ("stamps", "landmarks", "neutral", "strength", "shown"):
            assert np.array_equal(getattr(again, name), getattr(track, name))

    @pytest.mark.parametrize("data", [b"", b"not a track"])
    def test_anything_else_is_refused(self, data):
        with pytest.raises(ProblemError) as caught:
            FaceTrack.from_bytes(data)
        assert (caught.value.code, caught.value.param) == ("invalid_request", "track")

    def test_the_edit_fades_beside_frames_that_are_left_alone(self, tracked):
        _, track = tracked
        assert track.strength[[0, 4, 5, 7, 8, 11, 12, 14, 15, 19]].tolist() == [
            1,
            1,
            0.75,
            0.25,
            0,
            0,
            0.25,
            0.75,
            1,
            1,
        ]

    def test_frames_with_a_hand_before_the_mouth_pass_through(self, talking_head, person, babble):
        def frame(number):
            pixels = person(number)
            return with_hand(pixels) if 10 <= number < 20 else pixels

        video = make_video(frame(n) for n in range(30))
        report, track = track_of(talking_head, video)
        (told,) = report.warnings
        assert "untouched: something is before the mouth" in told
        assert not track.strength[10:20].any()
        assert track.strength[[0, 3, 26, 29]].tolist() == [1, 1, 1, 1]
        source = source_frames(video)
        made = made_frames(talking_head, video, track, babble, (8, 12))
        assert np.array_equal(made[2], source[10])
        assert np.array_equal(made[3], source[11])

    def test_a_video_that_shows_nobody_is_refused(self, talking_head):
        with pytest.raises(ProblemError) as caught:
            track_of(talking_head, make_video(gradient(300, 256, n) for n in range(3)))
        assert (caught.value.code, caught.value.param) == ("no_face", "portrait")

    def test_a_face_that_is_not_there_is_refused(self, talking_head, person):
        with pytest.raises(ProblemError) as caught:
            track_of(talking_head, make_video([person(0)]), face=1)
        assert (caught.value.code, caught.value.param) == ("invalid_request", "face")

    @pytest.mark.parametrize(("left", "right"), [(0, 1), ("largest", (300, 60, 470, 280))])
    def test_the_chosen_person_is_followed_beside_another(self, talking_head, person, left, right):
        video = make_video(np.concatenate([larger(person(n)), person(n + 3)], axis=1) for n in range(3))
        left, right = (track_of(talking_head, video, face=face)[1].landmarks for face in (left, right))
        assert (left[..., 0].mean(1) < 256).all()
        assert (right[..., 0].mean(1) > 256).all()

    def test_uneven_times_become_a_constant_rate(self, talking_head, person):
        times = [n / 25 for n in range(12) if n not in (4, 5)]
        report, track = track_of(talking_head, make_video([person(n) for n in range(10)], times=times))
        assert (report.fps, report.frames) == ((25, 1), 12)
        assert track.shown[[3, 4, 5, 6]].tolist() == [3, 3, 4, 4]
        assert "not evenly spaced" in report.warnings[0]

    @pytest.mark.parametrize("form", ["mp4", "matroska"])
    def test_a_video_cut_short_is_used_as_far_as_it_goes(self, talking_head, person, form):
        video = make_video((person(n) for n in range(40)), form=form)
        report, _ = track_of(talking_head, video[: len(video) // 2])
        assert 5 < report.frames < 30
        assert f"cut short; {report.frames} of 40 frames" in report.warnings[0]

    def test_a_turned_picture_is_tracked_upright(self, talking_head, person):
        lying = make_video([np.rot90(person(n)).copy() for n in range(3)])
        report, track = track_of(talking_head, with_matrix(lying, 0, 1, -1, 0))
        assert (report.width, report.height) == (256, 300)
        assert track.strength.min() == 1

    @pytest.mark.parametrize(
        ("setting", "limit", "told"),
        [("max_source_s", 0.1, "0.1 s"), ("max_source_pixels", 76_799, "256 x 300 px are")],
    )
    def test_its_length_and_size_are_limited(self, talking_head, person, monkeypatch, *, setting, limit, told):
        monkeypatch.setattr(talking_head._settings, setting, limit)
        video = make_video([person(0)] * 10)
        for look in (
            lambda: track_of(talking_head, video),
            lambda: talking_head.describe_portrait(video, PortraitOptions()),
        ):
            with pytest.raises(ProblemError, match=told) as caught:
                look()
            assert caught.value.code == "too_large"


class TestFrames:
    def test_frames_without_the_face_and_behind_the_speech_are_the_sources_own(self, whole, clip, tracked, babble):
        source = source_frames(clip)
        assert len(whole) == 29  # 24 frames at 25 fps
        for number in (8, 9, 10, 11):
            assert np.array_equal(whole[number], source[number])

    def test_only_the_lower_half_of_the_face_changes(self, whole, clip, tracked):
        source, (_, track) = source_frames(clip), tracked
        for number in (0, 3, 15):
            changed = np.flatnonzero((whole[number] != source[number]).any(axis=(1, 2)))
            eyes = track.landmarks[number][36:48, 1].max()
            assert changed.size > 20
            assert changed.min() > eyes

    def test_the_video_is_played_back_and_forth(self, whole, clip):
        source = source_frames(clip)
        numbers = back_and_forth(np.arange(29), 20)
        assert numbers[[19, 20, 28]].tolist() == [19, 18, 10]
        for number, origin in enumerate(numbers):
            assert np.array_equal(whole[number][:60], source[origin][:60])

    @pytest.mark.parametrize("cuts", [(3, 7, 21), (1, 8, 16)])
    def test_segments_join_to_what_one_run_makes(self, talking_head, clip, tracked, babble, *, whole, cuts):
        edges = (0, *cuts, 29)
        parts = []
        for first, last in pairwise(edges):
            parts += made_frames(talking_head, clip, tracked[1], babble, (first, last))
        assert all(np.array_equal(part, frame) for part, frame in zip(parts, whole, strict=True))

    def test_the_rest_of_a_longer_video_is_untouched(self, talking_head, person, babble):
        video = make_video([person(n) for n in range(30)])
        _, track = track_of(talking_head, video)
        assert video_frames(babble.frames, track) == 30
        source = source_frames(video)
        made = made_frames(talking_head, video, track, babble, (20, 30))
        assert not np.array_equal(made[0], source[20])
        for number in range(24, 30):
            assert np.array_equal(made[number - 20], source[number])

    def test_in_silence_the_old_speech_does_not_show_through(self, talking_head, person, babble):
        """The lips of the source open by a third of the mouth's width; of the made frames they stay nearly shut."""
        video = make_video([person(n, opening=0.0 if n % 6 == 0 else None) for n in range(24)])
        _, track = track_of(talking_head, video)
        made = made_frames(talking_head, video, track, babble, (14, 24))

        def openings(frames):
            return np.array([float(opening_ratio(talking_head._models.faces.find(f)[0].landmarks)) for f in frames])

        source = openings([source_frames(video)[number] for number in range(14, 24)])
        edited = openings(made)
        assert source.max() > 0.2
        assert edited.max() < 0.5 * source.max()
        assert edited.std() < 0.4 * source.std()

    def test_one_frame_talks(self, talking_head, person, babble):
        video = make_video([person(0, opening=0.0)])
        _, track = track_of(talking_head, video)
        made = made_frames(talking_head, video, track, babble, (0, 4))
        assert not np.array_equal(made[0], made[3])


class TestSegment:
    def test_it_has_the_videos_rate_and_its_report(self, talking_head, clip, tracked, babble):
        options = SegmentOptions(first_frame=6, frames=5, steps=1)
        report, made = talking_head.revoice_segment(
            clip, babble.to_bytes(), tracked[1].to_bytes(), options, lambda: None
        )
        assert (report.first_frame, report.frames, report.width, report.height) == (6, 5, 256, 300)
        assert set(report.timings_s) == {"speech", "decode", "draft", "refine", "paste", "encode"}
        assert all(seconds >= 0 for seconds in report.timings_s.values())
        with av.open(io.BytesIO(made.video)) as container:
            assert container.streams.video[0].average_rate == Fraction(30000, 1001)
            assert not container.streams.audio
        shown, source = decode_video(made.video), source_frames(clip)
        assert np.abs(shown[3].astype(int) - source[9]).mean() < 3

    def test_an_odd_size_grows_by_a_pixel(self, talking_head, person, babble):
        video = make_video([person(n)[:299, :255] for n in range(2)], pix_fmt="yuv444p")
        report, track = track_of(talking_head, video)
        assert (report.width, report.height) == (255, 299)
        assert "even edges" in report.warnings[0]
        options = SegmentOptions(first_frame=0, frames=2, steps=1)
        made, _ = talking_head.revoice_segment(video, babble.to_bytes(), track.to_bytes(), options, lambda: None)
        assert (made.width, made.height) == (256, 300)

    def test_frames_beyond_speech_and_video_are_refused(self, talking_head, clip, tracked, babble):
        options = SegmentOptions(first_frame=28, frames=2)
        with pytest.raises(ProblemError, match="more than the 29 frames"):
            talking_head.revoice_segment(clip, babble.to_bytes(), tracked[1].to_bytes(), options, lambda: None)


class TestDescription:
    def test_a_video_is_described_by_its_beginning(self, talking_head, clip):
        report = talking_head.describe_portrait(clip, PortraitOptions())
        assert (report.width, report.height) == (256, 300)
        assert report.face_box is not None
        assert report.face_size_px > 64

    def test_a_face_may_come_later(self, talking_head):
        report = talking_head.describe_portrait(make_video([gradient(64, 64)] * 9), PortraitOptions())
        assert (report.face_box, report.face_size_px) == (None, None)
