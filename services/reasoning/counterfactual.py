"""The same story of other people: women for men and men for women, or everybody of another age.

A label that changes when only gender or age does rests on them. Some should (a mother is a woman), most should not.
"""

import re
from collections.abc import Callable
from typing import Final

_PAIRS: Final = (
    "woman man", "women men", "girl boy", "girls boys", "lady gentleman", "ladies gentlemen", "mother father",
    "mothers fathers", "mum dad", "mom dad", "grandmother grandfather", "grandma grandpa", "daughter son",
    "daughters sons", "sister brother", "sisters brothers", "wife husband", "wives husbands", "aunt uncle",
    "niece nephew", "bride groom", "waitress waiter", "actress actor", "queen king", "she he", "hers his",
    "herself himself", "female male",
)  # fmt: skip
_SWAPPED: Final = {word: other for pair in _PAIRS for word, other in (pair.split(), pair.split()[::-1])} | {
    "dad": "mum",
    "him": "her",
}
_WORD: Final = re.compile(r"\b(" + "|".join(sorted({*_SWAPPED, "her", "his"}, key=len, reverse=True)) + r")\b", re.I)
_NOUN_BEHIND: Final = re.compile(r"\s+(?!(?:and|or|but|with|in|on|at|by|to|from|as|while)\b)[a-z]")
_AGE: Final = re.compile(
    r"\b(?P<before>about |around |aged |of |is |almost |nearly |both )(?P<age>[1-9][0-9]?)"
    r"(?=[,.;)]|$| (?:and|with|in|who|or|on)\b)"
    r"|\b(?P<old>[1-9][0-9]?)(?=[- ]years?[- ]old\b)"
)
_YEARS: Final = 20


def swap_gender(story: str) -> str:
    """Nouns and pronouns of women and men exchanged. "her" is "his" before a noun and "him" elsewhere."""

    def swapped(found: re.Match[str]) -> str:
        word = found[0]
        lower = word.lower()
        if lower == "her":
            other = "his" if _NOUN_BEHIND.match(story, found.end()) else "him"
        elif lower == "his":
            other = "her" if _NOUN_BEHIND.match(story, found.end()) else "hers"
        else:
            other = _SWAPPED[lower]
        return other.capitalize() if word[0].isupper() else other

    return _WORD.sub(swapped, story)


def shift_ages(story: str) -> str:
    """Every age that is told in figures, twenty years more; of those over sixty, twenty less."""

    def shifted(found: re.Match[str]) -> str:
        age = int(found["age"] or found["old"])
        return f"{found['before'] or ''}{age - _YEARS if age > 60 else age + _YEARS}"

    return _AGE.sub(shifted, story)


CHANGES: Final[dict[str, Callable[[str], str]]] = {"gender": swap_gender, "age": shift_ages}
