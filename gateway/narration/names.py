"""What to call people and things aloud: who listens sees no ``<P1>``."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.people import people_in

_NOUNS: Final = (
    "baby or toddler|teenage boy|teenage girl|teenager|male person|female person|"
    "man|woman|boy|girl|child|lady|gentleman|bride|groom|baby|toddler|person"
)
_ADJECTIVE: Final = r"(?!(?:of|with|in|and|or|to|who|from|for)\b)[\w'-]+"
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_UNKNOWN: Final = "person"
_SPOKEN_NOUNS: Final = {"baby or toddler": "small child", "male person": "man", "female person": "woman"}


@dataclass(frozen=True)
class Name:
    """``the woman on the left``: a noun, and a place by which she is told from others (empty where none is known)."""

    noun: str
    place: str

    @property
    def definite(self) -> str:
        return f"the {self.noun}{self.place}"

    @property
    def indefinite(self) -> str:
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}{self.place}"


def names_of(story: str, also: Collection[str] = ()) -> dict[str, Name]:
    """Symbol -> name of each person of a story, and of those whom it forgot, all distinct.

    A person is called by the noun and the place of the story's own words ("<P1>, a woman of about 30, is on the
    left"); by the noun alone where the places are not told and it is nobody else's; else by the number.
    """
    symbols = people_in(" ".join([story, *(f"<{symbol}>" for symbol in also)]))
    nouns = {symbol: _noun(story, symbol) for symbol in symbols}
    places = _places(story, symbols)
    if len(places) == len(symbols):
        return {symbol: Name(nouns[symbol], f" {places[symbol]}") for symbol in symbols}
    shared = Counter(nouns.values())
    if all(shared[noun] == 1 and noun != _UNKNOWN for noun in nouns.values()):
        return {symbol: Name(noun, "") for symbol, noun in nouns.items()}
    return {symbol: Name(f"{_ordinal(number)} {_UNKNOWN}", "") for number, symbol in enumerate(symbols)}


def spoken(text: str, names: Mapping[str, Name], story: str) -> str:
    """``text`` with names and words in the place of all symbols, and without marks that a voice cannot say."""
    for symbol, name in names.items():
        text = re.sub(rf"<{symbol}>|\b{symbol}\b", name.definite, text)
    # "a cup (<O1>)" in the story; "<O1>" or "the cup (<O1>)" in the explanation
    things = re.findall(r"\ban? ((?:(?!an?\b)[\w'-]+ ){1,4}?)\(<(O[1-9][0-9]*)>\)", story)
    for noun, symbol in [(noun.strip(), symbol) for noun, symbol in things]:
        text = re.sub(rf"{re.escape(noun)} \(<{symbol}>\)", noun, text)
        text = re.sub(rf"<{symbol}>", f"the {noun}", text)
    text = re.sub(r"\(?<\w*>\)?", "", text)
    text = re.sub(r"[<>\"“”*_#`|{}\[\]\\]", "", text)
    text = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(text.split()))
    return re.sub(r"(^|[.!?]\s+)([a-z])", lambda found: found[1] + found[2].upper(), text)


def _noun(story: str, symbol: str) -> str:
    """From "<P1>, a tall woman of 30" or "<P1> is a boy"."""
    introduced = re.search(rf"<{symbol}>(?:,| is| \()\s?(?:an?|the)\s(?:{_ADJECTIVE},?\s){{0,4}}?({_NOUNS})\b", story)
    if introduced is None:
        return _UNKNOWN
    return _SPOKEN_NOUNS.get(introduced[1], introduced[1])


def _places(story: str, symbols: Sequence[str]) -> dict[str, str]:
    """Symbol -> where the person is, as far as the story tells it: left, right, and who is next to whom between."""
    left = _with(story, r"is on the left\b")
    if len(left) != 1 or len(_with(story, r"is on the right\b")) != 1:
        return {}
    follows = {
        before: symbol for symbol, before in re.findall(r"<(P\d+)>[^.<]*\bis between <(P\d+)> and <P\d+>", story)
    }
    row = left
    while row[-1] in follows and follows[row[-1]] not in row:
        row.append(follows[row[-1]])
    row += _with(story, r"is on the right\b")
    if sorted(row) != sorted(symbols):
        return {}
    if len(row) == 3:
        return dict(zip(row, ("on the left", "in the middle", "on the right"), strict=True))
    between = [f"{_ordinal(number)} from the left" for number in range(1, len(row) - 1)]
    return dict(zip(row, ["on the left", *between, "on the right"], strict=True))


def _with(story: str, words: str) -> list[str]:
    """Symbols whose sentence says ``words`` before it names anybody else."""
    return re.findall(rf"<(P\d+)>[^.<]*\b{words}", story)


def _ordinal(number: int) -> str:
    return _ORDINALS[number] if number < len(_ORDINALS) else f"number {number + 1}"
