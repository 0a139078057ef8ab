"""A model's words -> the values of answers, or no answer where the words do not say. Words are text, never orders."""

import re
from collections.abc import Sequence
from typing import Final

MAX_CHARS: Final = 100
_LIFE: Final = (
    ("new ?born|infant|baby", 1), ("toddler", 2), ("teen", 15), ("child|kid|little (boy|girl)", 8),
    ("twenties|young adult", 25), ("thirties", 35), ("middle.?aged?|forties", 45), ("fifties", 55), ("sixties", 65),
    ("elderly|senior|old (man|woman|person|lady|people)|seventies", 72),
)  # fmt: skip
"""Words for a time of life -> years; the first that fits."""

_SEX: Final = (("female|wom[ae]n|girl|lady", "female"), ("male|m[ae]n|boy|guy", "male"))
_EXPRESSIONS: Final = (
    ("smil|happ|laugh|joy|cheer|grin", "smiling"), ("surpris|shock|amaz", "surprised"), ("sad|cry|upset|sorrow", "sad"),
    ("angr|mad|frown", "angry"), ("fear|scare|afraid", "fearful"), ("disgust", "disgusted"),
    ("neutral|calm|serious|relax|blank", "neutral"),
)  # fmt: skip
_REVEALING: Final = {
    "age": r"\b(old|young|years?|aged?|child(ren)?|kids?|bab(y|ies)|boys?|girls?|teen\w*|elder\w*|senior|adults?)\b",
    "gender": r"\b((wo)?m[ae]n|males?|females?|boys?|girls?|lad(y|ies)|guys?|he|she|his|hers?|him|mother|father|"
    r"husband|wife|bride|groom|sons?|daughters?|brothers?|sisters?|grand(ma|pa|mother|father))\b",
}
_PRONOUN: Final = re.compile(
    r"^(?:yes, |no, )?(?:an? |the )?(?:he|she|they|it|this|person|man|woman|boy|girl|child|people)(?: is|'s| are) ",
    re.IGNORECASE,
)


def plain(words: str) -> str:
    """One line of at most ``MAX_CHARS`` without marks that mean something in a story: no symbols, no quotes."""
    line = re.sub(r"[<>{}\[\]\"`|\\\u201c\u201d]", "", " ".join(words.split()))
    if len(line) > MAX_CHARS:
        line = line[:MAX_CHARS].rsplit(" ", 1)[0]
    return line.strip(" .,;:")


def years(words: str) -> str | None:
    """``about 30``, ``25-30``, ``in his twenties``, ``an elderly man`` -> years as a number."""
    told = [int(number) for number in re.findall(r"\b\d{1,3}\b", words)]
    told = [number for number in told if number <= 110]
    if told:
        return str(round(sum(told[:2]) / len(told[:2])))
    found = re.search(r"\b(\d)0s\b", words)
    if found:
        return str(int(found[1]) * 10 + 5)
    return next((str(age) for pattern, age in _LIFE if re.search(pattern, words, re.IGNORECASE)), None)


def sex(words: str) -> str | None:
    """``male`` or ``female``; None where the words say neither or both."""
    return _only(_SEX, re.sub(r"\b(fe)?males?\b|\b(wo)?m[ae]n\b", lambda word: word[0].lower(), words), r"\b(?:{})\w*")


def expression(words: str) -> str | None:
    """One of the expressions that stories know; None where the words say none or several."""
    return _only(_EXPRESSIONS, words, r"\b(?:{})\w*")


def doing(words: str) -> str | None:
    """``he is talking on a phone`` -> ``talking on a phone``; None where it is no doing."""
    phrase = _PRONOUN.sub("", plain(words))
    return phrase if re.match(r"^[a-z]+ing\b", phrase) else None


def wearing(words: str) -> str | None:
    """``she is wearing a red dress`` -> ``a red dress``."""
    phrase = re.sub(r"^(?:wearing|dressed in|in) ", "", _PRONOUN.sub("", plain(words)))
    return phrase or None


def reveals(words: str, omit: Sequence[str]) -> bool:
    """Do the words tell what is to be left out?"""
    return any(re.search(_REVEALING[name], words, re.IGNORECASE) for name in omit if name in _REVEALING)


def _only(meanings: Sequence[tuple[str, str]], words: str, form: str) -> str | None:
    found = {value for pattern, value in meanings if re.search(form.format(pattern), words, re.IGNORECASE)}
    return found.pop() if len(found) == 1 else None
