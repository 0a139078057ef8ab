import io
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.common.errors import ProblemError
from services.common.pictures import read_picture

RED, BLUE = (250, 10, 10), (10, 10, 250)


def two_halves(width=40, height=20, left=RED, right=BLUE) -> Image.Image:
    image = Image.new("RGB", (width, height), left)
    image.paste(right, (width // 2, 0, width, height))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refused(data: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        read_picture(data, param="photo")
    assert caught.value.param == "photo"
    return caught.value


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces its size and has (almost) no pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_keeps_its_halves(kind):
    picture = read_picture(encoded(two_halves(), kind), param="photo")
    assert picture.pixels.shape == (20, 40, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels[10, 5, 0] > 200
    assert picture.pixels[10, 35, 0] < 60
    assert picture.warnings == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation):
    upright = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert np.array_equal(read_picture(data, param="photo").pixels, upright)


def test_cmyk_keeps_its_colours():
    picture = read_picture(encoded(two_halves().convert("CMYK"), "JPEG", quality=95), param="photo")
    assert np.abs(picture.pixels[10, 5].astype(int) - RED).max() < 30
    assert np.abs(picture.pixels[10, 35].astype(int) - BLUE).max() < 30


def test_alpha_is_laid_on_white():
    image = two_halves().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert (read_picture(encoded(image, "PNG"), param="photo").pixels == 255).all()


def test_transparent_palette_is_laid_on_white():
    image = two_halves().convert("P", palette=Image.Palette.ADAPTIVE)
    index_of_left = image.getpixel((0, 0))
    pixels = read_picture(encoded(image, "PNG", transparency=index_of_left), param="photo").pixels
    assert (pixels[10, 5] == 255).all()
    assert pixels[10, 35, 2] > 200


def test_sixteen_bit_grey_keeps_its_ramp():
    ramp = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (8, 1))
    pixels = read_picture(encoded(Image.fromarray(ramp), "PNG"), param="photo").pixels
    assert np.array_equal(pixels[0, :, 0], (ramp[0] >> 8).astype(np.uint8))


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animation_gives_its_first_frame_and_a_warning(kind):
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), BLUE)
    picture = read_picture(encoded(first, kind, save_all=True, append_images=[second]), param="photo")
    assert picture.pixels[8, 8, 0] > 200
    assert "first" in picture.warnings[0]


@pytest.mark.parametrize("data", [b"hello, I am a text file", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 64])
def test_other_content_is_unsupported(data):
    assert refused(data).code == "unsupported_media"


def test_empty_upload_is_named():
    assert "0 bytes" in refused(b"").detail


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_bomb_is_refused_by_its_header_at_once(side):
    began = time.perf_counter()
    assert refused(png_header(side, side)).code == "too_large"
    assert time.perf_counter() - began < 10  # its pixels would take longer, were there any


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_picture_is_a_clear_error(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    assert refused(data[: len(data) // 2]).code == "unsupported_media"


def test_broken_exif_does_not_cost_the_picture():
    data = encoded(two_halves(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_picture(data, param="photo").pixels.shape == (20, 40, 3)
