"""Reading real video files, good and bad."""

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.video.decode import SEEK_MARGIN, open_video
from tests.talkinghead.videos import gradient, make_video, with_matrix


def shades(pictures: list[np.ndarray]) -> list[int]:
    """The number that ``gradient`` wrote into each frame's blue."""
    return [round((float(picture[..., 2].mean()) - 20) / 9) for picture in pictures]


def numbered(count: int, **options: object) -> bytes:
    return make_video((gradient(48, 64, n) for n in range(count)), **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gop": 1},
        {"gop": 100},
        {"form": "matroska"},
        {"form": "matroska", "codec": "libvpx-vp9"},
        {"form": "avi", "codec": "mpeg4"},
        {"sound": True},
    ],
    ids=["mp4", "all key frames", "one key frame", "matroska", "vp9", "avi", "sound first"],
)
def test_any_frames_come_in_any_order_the_same_as_read_through(options):
    with open_video(numbered(20, **options), 1) as reader:
        decoded = list(reader.decoded())
        stamps = np.array([stamp for stamp, _ in decoded])
        whole = [reader.upright.pixels(frame) for _, frame in decoded]
        for numbers in ([0, 1, 2], [18, 19], [5, 5, 6, 6], [9, 8, 7, 6], [17, 18, 19, 18, 17]):
            got = list(reader.at(stamps, np.array(numbers)))
            assert all(np.array_equal(a, whole[n]) for a, n in zip(got, numbers, strict=True))
    assert shades(whole) == list(range(20))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), lambda x: x),
        ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
        ((-1, 0, 0, -1), lambda x: np.rot90(x, 2)),
        ((0, -1, 1, 0), lambda x: np.rot90(x, 1)),
        ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    ],
    ids=["upright", "quarter turn", "half turn", "quarter turn back", "mirrored"],
)
def test_the_display_matrix_is_applied(matrix, expected):
    with open_video(with_matrix(numbered(2), *matrix), 1) as reader:
        shown = reader.upright.pixels(next(reader.decoded())[1])
    with open_video(numbered(2), 1) as reader:
        stored = reader.upright.pixels(next(reader.decoded())[1])
    assert shown.shape[:2] == reader_shape(matrix)
    assert np.array_equal(shown, expected(stored))


def reader_shape(matrix: tuple[int, ...]) -> tuple[int, int]:
    return (48, 64) if matrix[0] else (64, 48)


def test_a_4k_video_keeps_its_size():
    with open_video(make_video([gradient(2160, 3840)]), 1) as reader:
        pixels = reader.upright.pixels(next(reader.decoded())[1])
    assert pixels.shape == (2160, 3840, 3)


def test_an_odd_size_is_kept():
    video = make_video((gradient(47, 63, n) for n in range(3)), pix_fmt="yuv444p")
    with open_video(video, 1) as reader:
        assert reader.upright.shape == (47, 63)


def test_of_a_file_that_was_cut_short_all_whole_frames_are_read():
    video = make_video(
        (np.random.default_rng(n).integers(0, 255, (48, 64, 3), np.uint8) for n in range(20)), form="matroska"
    )
    with open_video(video[: len(video) // 2], 1) as reader:
        frames = list(reader.decoded())
    assert 5 < len(frames) < 15


def test_damage_inside_leaves_frames_out_and_is_remembered():
    video = bytearray(numbered(20, gop=1))
    with open_video(bytes(video), 1) as reader:
        place = next(packet.pos for packet in reader._container.demux(reader._stream) if packet.pts and packet.size)
    video[place + 4 : place + 24] = bytes(20)
    with open_video(bytes(video), 1) as reader:
        frames = list(reader.decoded())
        assert reader.damaged
    assert len(frames) == 19


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unsupported_media"),
        (b"\x00\x00\x00\x20ftypisom and no more", "unsupported_media"),
        (b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", "unsupported_media"),
        (numbered(5)[:700], "unsupported_media"),
    ],
    ids=["empty", "a header", "a play list", "no index"],
)
def test_what_is_no_video_is_refused(data, code):
    with pytest.raises(ProblemError) as caught, open_video(data, 1):
        pass
    assert (caught.value.code, caught.value.param) == (code, "portrait")


def test_sound_alone_has_no_pictures(example_speech):
    with pytest.raises(ProblemError, match="source"), open_video(example_speech, 1):
        pass


def test_a_file_is_read_as_its_bytes_are(tmp_path):
    path = tmp_path / "video.avi"
    path.write_bytes(numbered(5, form="avi", codec="mpeg4"))
    stamps = np.arange(5)
    with path.open("rb") as file, open_video(file, 1) as of_file, open_video(path.read_bytes(), 1) as of_bytes:
        for reader in (of_file, of_bytes):
            assert shades(list(reader.at(stamps, np.array([3, 4])))) == [3, 4]


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_a_late_segment_costs_no_more_than_an_early_one(form, tmp_path):
    path = tmp_path / "video"
    path.write_bytes(numbered(400, form=form, gop=12))
    costs = []
    for first in (40, 380):
        with path.open("rb") as file, open_video(file, 1) as reader:
            stamps = np.array([stamp for stamp, _ in reader.decoded()])
            decoded = reader.decoded
            count = 0

            def counted(decoded=decoded):
                nonlocal count
                for each in decoded():
                    count += 1
                    yield each

            reader.decoded = counted
            list(reader.at(stamps, np.arange(first, first + 10)))
            costs.append(count)
    assert max(costs) <= 10 + SEEK_MARGIN + 12
    assert abs(costs[0] - costs[1]) < 12


def test_frames_of_another_video_are_missed():
    with open_video(numbered(5), 1) as reader, pytest.raises(ProblemError, match="another video"):
        list(reader.at(np.array([0, 1, 2]), np.array([1])))
