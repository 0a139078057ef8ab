"""Damage to files as a stranger might do it."""

from random import Random
from typing import Final

_NUMBERS: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""At which counts and lengths overflow."""


def mutated(data: bytes, others: list[bytes], random: Random) -> bytes:
    """``data`` with a few changes, most of them near its head, where formats say what follows."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 6, 20))):
        if not changed:
            break
        place = int(len(changed) * random.random() ** random.choice((1, 3)))
        length = min(random.choice((1, 2, 4, 8, 64, 1024)), len(changed) - place)
        match random.randrange(8):
            case 0:
                changed[place] ^= 1 << random.randrange(8)
            case 1:
                changed[place : place + length] = random.randbytes(length)
            case 2 | 3:
                width = random.choice((1, 2, 4, 8))
                number = random.choice(_NUMBERS) & ((1 << 8 * width) - 1)
                changed[place : place + width] = number.to_bytes(width, random.choice(("big", "little")))
            case 4:
                del changed[place : place + length]
            case 5:
                changed[place:place] = changed[place : place + length] * random.choice((1, 2, 50))
            case 6:
                other = random.choice(others)
                begin = random.randrange(len(other))
                changed[place : place + length] = other[begin : begin + length]
            case 7:
                del changed[place:]
    return bytes(changed)
