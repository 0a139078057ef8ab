"""Does an explanation agree with its story? What can be told without a model: who is there, and man or woman.

A small model writes "both young women" of a man and a woman. Who reads that trusts the label less, and rightly. Only
plain contradictions are looked for: what the story leaves open is never one.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from services.reasoning.prompt import symbols_in
from services.reasoning.scoring import Pair

Gender = Literal["female", "male"]

_NOUNS: Final[dict[Gender, str]] = {
    "female": "woman|girl|lady|mother|grandmother|grandma|daughter|sister|wife|bride|mum|mom|aunt|niece|waitress",
    "male": "man|boy|gentleman|father|grandfather|grandpa|son|brother|husband|groom|dad|uncle|nephew|waiter",
}
_PLURALS: Final[dict[Gender, str]] = {
    "female": "women|girls|ladies|mothers|grandmothers|daughters|sisters|wives",
    "male": "men|boys|gentlemen|fathers|grandfathers|sons|brothers|husbands",
}
_PRONOUNS: Final[dict[Gender, str]] = {"female": "she|her|hers|herself", "male": "he|him|his|himself"}
_NUMBERS: Final = {"three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_PEOPLE: Final = "people|persons|adults|children|men|women|boys|girls|friends"
_SYMBOL: Final = re.compile(r"<(P[0-9]+)>")


def genders_told(story: str) -> dict[str, Gender]:
    """Symbol -> gender of those whom the story introduces by one: "<P1>, a tall woman of 30", "<P1> is a boy"."""
    found: dict[str, Gender] = {}
    nouns = f"{_NOUNS['female']}|{_NOUNS['male']}"
    for symbol in symbols_in(story):
        introduced = re.search(rf"<{symbol}>(?:,| is| \()\s?(?:an?|the)\s(?:[\w'-]+,?\s){{0,5}}?({nouns})\b", story)
        if introduced:
            found[symbol] = "female" if re.fullmatch(_NOUNS["female"], introduced[1]) else "male"
    return found


def contradiction(text: str, pair: Pair, story: str, genders: Mapping[str, Gender]) -> str | None:
    """What the explanation of ``pair`` says against the story, or None."""
    people = symbols_in(story)
    named = _SYMBOL.findall(text)
    strangers = [symbol for symbol in named if symbol not in people]
    if strangers:
        return f"it names <{strangers[0]}>, who is not in the story"
    lowered = text.lower()
    for word, count in _NUMBERS.items():
        if count > len(people) and re.search(rf"\b{word}\s(?:\w+\s)?(?:{_PEOPLE})\b", lowered):
            return f"it speaks of {word} people, the story has {len(people)}"
    # Who is meant by a word is known only where nobody but the pair is spoken of.
    if set(named) - set(pair):
        return None
    known = [genders.get(symbol) for symbol in pair]
    for gender in ("female", "male"):
        one = re.search(rf"\b({_NOUNS[gender]}|{_PRONOUNS[gender]})\b", lowered)
        if one and all(told is not None and told != gender for told in known) and _all_told(people, genders, gender):
            return f"it says {one[1]!r}, and nobody in the story is {gender}"
        both = re.search(rf"\b(?:both|two|are)\s(?:\w+\s){{0,2}}({_PLURALS[gender]})\b", lowered)
        if both and any(told is not None and told != gender for told in known):
            return f"it says {both[1]!r} of two who are not both {gender}"
    return None


def _all_told(people: list[str], genders: Mapping[str, Gender], gender: Gender) -> bool:
    """Is everybody's gender told, and nobody's this one?"""
    return all(genders.get(symbol) not in (None, gender) for symbol in people)


def quoted(pair: Pair, label: str, sentences: list[str]) -> str:
    """A plain explanation that cannot be wrong: the story's own sentence about the two."""
    marks = [f"<{symbol}>" for symbol in pair]
    told = max(sentences, key=lambda sentence: sum(mark in sentence for mark in marks))
    return f'The story speaks for "{label}" of {marks[0]} and {marks[1]}: "{told}"'
