"""A story told more fluently: the model rewrites each sentence, and what drops or adds a fact is put back as it was.

SocialGPT lets its language model write the story from the records (arXiv 2410.21411, 3.1), and trusts it. Here every
sentence comes with the plain one that a template made of its records, and is held to it word by word: all that the
plain one says must be there, with the same people in the same order, and nothing else.
"""

import re
from collections.abc import Sequence
from typing import Final

from services.reasoning.llm import LanguageModel, PrefixT
from services.reasoning.schemas import FusedSentence, FusionResponse

MAX_NEW_TOKENS: Final = 90
_SYSTEM: Final = (
    "You polish plain sentences about a photo. Say each in other words, as one fluent English sentence. Keep every "
    "fact, every number, every tag such as <P1> and their order. Add nothing: no feeling, no relation, no guess."
)
_EXAMPLE: Final = (
    "Plain: <P7>, a man of about 40 in a red top, is on the left, smiling.\n"
    "Fluent: <P7>, a smiling man of about 40, is on the left in a red top.\n\n"
    "Plain: It seems that <P7> and <P8> have their hands together.\n"
    "Fluent: <P7> and <P8> seem to have their hands together.\n\n"
    "Plain: <P8>, a girl of about 12, is between <P7> and <P9>, next to a dog (<O3>).\n"
    "Fluent: <P8> is a girl of about 12 between <P7> and <P9>, next to a dog (<O3>).\n\n"
    "Now the next ones."
)
_HEDGES: Final = frozenset(("seem", "perhap", "apparent", "possib", "appear", "maybe", "likel"))
_FREE: Final = re.compile(
    "a|an|the|is|are|was|be|being|and|or|with|of|in|on|at|to|by|as|it|its|he|she|his|her|they|their|them|who|whose|that|"
    "this|there|these|while|where|which|also|has|have"
)
"""Words that say nothing by themselves."""

_SENTENCE: Final = re.compile(r"\s*(.+?[.!?])(?=\s|$)", re.DOTALL)


def fuse(model: LanguageModel[PrefixT], sentences: Sequence[str]) -> FusionResponse:
    """The sentences, each rewritten by the model where that is faithful, else as it was."""
    frame = model.chat_frame
    prefix = model.read([frame.before_system, _SYSTEM, frame.before_user, _EXAMPLE, frame.before_answer])
    try:
        # Each plain sentence stands right before its rewriting; left free, a small model drops the tags, so it goes on
        # from the first one.
        starts = [f" <{_names(plain)[0]}>" if _names(plain) else "" for plain in sentences]
        beginnings = [f"Plain: {plain}\nFluent:{start}" for plain, start in zip(sentences, starts, strict=True)]
        texts = model.generate(prefix, beginnings, MAX_NEW_TOKENS, lambda text: _first(text) is not None)
    finally:
        model.release(prefix)
    fused = [_checked(plain, start + text) for plain, start, text in zip(sentences, starts, texts, strict=True)]
    return FusionResponse(sentences=fused, model=model.name)


def unfaithful(plain: str, text: str) -> str | None:
    """What the text drops, adds or turns round of the plain sentence, or None."""
    if _names(plain) != _names(text):
        return f"it names {', '.join(_names(text)) or 'nobody'} for {', '.join(_names(plain)) or 'nobody'}"
    told, said = _words(plain), _words(text)
    hedged = [bool(words & _HEDGES) for words in (told, said)]
    if hedged[0] != hedged[1]:
        return "it is surer" if hedged[0] else "it is less sure"
    dropped, added = told - said - _HEDGES, said - told - _HEDGES
    if dropped:
        return f"it drops {sorted(dropped)[0]!r}"
    return f"it adds {sorted(added)[0]!r}" if added else None


def _checked(plain: str, text: str) -> FusedSentence:
    first = _first(text)
    reason = "it is no sentence" if first is None else unfaithful(plain, first)
    if first is None or reason is not None:
        return FusedSentence(text=plain, by="template", reason=reason)
    return FusedSentence(text=first, by="model", reason=None)


def _first(text: str) -> str | None:
    """The first whole sentence of one line."""
    found = _SENTENCE.match(text.strip().split("\n")[0])
    return None if found is None else found[1]


def _names(text: str) -> list[str]:
    """Symbols in the order in which they first appear: who did what to whom hangs on it."""
    return list(dict.fromkeys(re.findall(r"<([PO]\d+)>", text)))


def _words(text: str) -> set[str]:
    """Stems of the words that say something; negations and numbers are among them."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"<[PO]\d+>", " ", text.lower()))
    return {_stem(word) for word in words if not _FREE.fullmatch(word)}


def _stem(word: str) -> str:
    """smiling, smiles, smile -> smil: enough to compare two wordings of one sentence."""
    for ending in ("ingly", "ing", "edly", "ed", "ly", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
