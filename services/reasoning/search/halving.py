"""Sequential halving (Karnin et al., ICML 2013): all rivals on few stories, the better half on twice as many."""

from typing import Final

_FEWEST: Final = 4


def rungs(batch: int) -> list[int]:
    """Numbers of stories of each round: from four or a little more, doubled up to ``batch``."""
    sizes = [batch]
    while sizes[0] // 2 >= _FEWEST:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def survivors(rivals: int) -> int:
    """How many go on to the next round."""
    return max(1, (rivals + 1) // 2)
