"""The watermark: what it survives, what it costs, and that it is not found where it is not."""

import io

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.common.settings import REPOSITORY
from services.common.watermark import BITS, Reading, embed, mark_of, threshold

MARK = mark_of("a job")
OTHERS = [mark_of(f"job {n}") for n in range(5000)]

Luma = NDArray[np.uint8]


def picture(name: str) -> Luma:
    grey = np.asarray(Image.open(REPOSITORY / "examples" / name).convert("L"))
    return grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]


def encode(pictures: list[Luma], crf: int, scale: float = 1.0) -> bytes:
    target = io.BytesIO()
    height, width = (round(edge * scale) // 2 * 2 for edge in pictures[0].shape)
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for luma in pictures:
            colours = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, colours]), format="yuv420p")
            output.mux(stream.encode(frame.reformat(width=width, height=height)))
        output.mux(stream.encode())
    return target.getvalue()


def decode(video: bytes) -> list[Luma]:
    with av.open(io.BytesIO(video)) as source:
        return [np.ascontiguousarray(frame.to_ndarray()[: frame.height]) for frame in source.decode(video=0)]


def score(pictures: list[Luma], mark: str = MARK) -> float:
    reading = Reading()
    for luma in pictures:
        reading.add(luma)
    return float(reading.scores([mark])[0])


@pytest.fixture(scope="module", params=["portrait.jpg", "photo.jpg"])
def plain(request: pytest.FixtureRequest) -> list[Luma]:
    """A second of a head that hardly moves: the hard case, since nothing averages out."""
    still = picture(request.param)
    return [np.roll(still, n // 5, axis=1) for n in range(25)]


@pytest.fixture(scope="module")
def marked(plain: list[Luma]) -> list[Luma]:
    return decode(encode([embed(luma, MARK) for luma in plain], 18))


def test_it_is_not_seen(plain: list[Luma]):
    error = embed(plain[0], MARK).astype(float) - plain[0]

    assert 10 * np.log10(255**2 / np.mean(error**2)) > 39.5
    assert np.abs(error).max() <= 10


@pytest.mark.parametrize(
    ("crf", "scale"), [(18, 1.0), (30, 1.0), (23, 0.5), (30, 0.5), (30, 1.5)], ids=lambda value: f"{value:g}"
)
def test_it_survives_encoding_and_resizing(marked: list[Luma], crf: int, scale: float):
    again = decode(encode(marked, crf, scale))

    assert score(again) > threshold(1_000_000) + 0.5


def test_it_survives_a_change_of_shape_and_of_brightness(marked: list[Luma]):
    squeezed = [np.asarray(Image.fromarray(luma).resize((400, 300))) for luma in marked]
    brighter = [np.clip(luma.astype(int) + 12, 0, 255).astype(np.uint8) for luma in marked]

    assert score(squeezed) > threshold(1_000_000)
    assert score(brighter) > threshold(1_000_000)


def test_no_other_mark_is_found(plain: list[Luma], marked: list[Luma]):
    for pictures in (plain, marked):
        reading = Reading()
        for luma in pictures:
            reading.add(luma)
        assert reading.scores(OTHERS).max() < threshold(len(OTHERS))


def test_scores_of_wrong_marks_are_distributed_by_chance(plain: list[Luma]):
    """The bound that the threshold rests on: a mean of 0, a standard deviation of 1."""
    reading = Reading()
    for luma in plain:
        reading.add(luma)
    scores = reading.scores(OTHERS)

    assert abs(scores.mean()) < 0.08
    assert scores.std() == pytest.approx(1, abs=0.05)


def test_the_threshold_grows_slowly_with_the_number_of_marks():
    assert threshold(1) < threshold(1000) < threshold(1_000_000) < 7.5 < BITS**0.5


def test_any_size_of_picture_can_be_marked():
    for height, width in ((2, 2), (48, 64), (1080, 1920)):
        flat = np.full((height, width), 128, np.uint8)
        assert embed(flat, MARK).shape == flat.shape


def test_nothing_read_is_no_score():
    assert Reading().scores([MARK]).tolist() == [0.0]
    assert Reading().scores([]).size == 0
