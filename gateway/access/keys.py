"""API keys: ``rk_``, 32 random letters and digits, and a checksum of 6 that tells a mistyped key without a look-up.

The prefix and the checksum let secret scanners recognise a key in a text. The database holds its HMAC alone, so that
who reads the database has no key; a random key of 190 bits needs no slow hash.
"""

import secrets
import string
import zlib
from enum import StrEnum
from typing import Final

PREFIX: Final = "rk_"
_ALPHABET: Final = string.digits + string.ascii_letters
_RANDOM: Final = 32
_CHECKSUM: Final = 6  # 62**6 > 2**32


class Scope(StrEnum):
    """What a key may do with its owner's things."""

    READ = "read"  # look, follow, download
    WRITE = "write"  # upload, ask, submit, cancel, erase
    ADMIN = "admin"  # what concerns all owners: metrics, prompts, verification of the audit


def new_key() -> str:
    """A random key that ends with a checksum of itself."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return PREFIX + body + _checksum(body)


def well_formed(key: str) -> bool:
    """Are prefix, length and checksum those of a key?"""
    body, checksum = key[len(PREFIX) : -_CHECKSUM], key[-_CHECKSUM:]
    return key.startswith(PREFIX) and len(body) == _RANDOM and checksum == _checksum(body)


def hint(key: str) -> str:
    """What may be shown of a key, to tell it from others."""
    return key[: len(PREFIX) + 5]


def _checksum(body: str) -> str:
    """CRC-32 in base 62."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
