"""What a key looks like."""

import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.access.keys import hint, new_key, well_formed


def test_a_key_can_be_recognised_and_two_are_never_alike():
    keys = {new_key() for _ in range(1000)}

    assert len(keys) == 1000
    assert all(re.fullmatch(r"rk_[0-9A-Za-z]{38}", key) and well_formed(key) for key in keys)


@given(st.integers(0, 37), st.sampled_from("0123456789abcXYZ"))
def test_a_mistyped_key_is_told_by_its_checksum(place: int, letter: str):
    key = "rk_0123456789abcdefghijklmnopqrstuv"
    body = key[3:]
    good = key + _checksum_of(body)
    mistyped = good[: 3 + place] + letter + good[4 + place :]

    assert well_formed(good)
    assert well_formed(mistyped) == (mistyped == good)


@given(st.text(max_size=60))
def test_any_other_text_is_no_key(text: str):
    assert not well_formed(text)


def test_a_hint_gives_five_letters_away():
    key = new_key()

    assert key.startswith(hint(key)) and len(hint(key)) == 8


def _checksum_of(body: str) -> str:
    """CRC-32 in base 62, by hand."""
    number, digits = zlib.crc32(body.encode()), []
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    while number:
        digits.insert(0, alphabet[number % 62])
        number //= 62
    return "".join(digits).rjust(6, "0")
