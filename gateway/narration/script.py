"""Story and relation -> a short text to be spoken."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.narration.names import Name, names_of, spoken
from services.reasoning.schemas import Evidence, Label, Relation, Taxonomy

_INTRODUCED: Final = 4
"""More people are counted and not introduced one by one: a listener keeps no longer list."""

_INTRODUCES: Final = re.compile(r"<P\d+>(?:,| is) an? ")
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SEEMS: Final = ((0.75, "clearly seem to"), (0.5, "seem to"), (0.0, "may"))
"""Smallest probability -> how it is said."""


def write_script(story: str, relation: Relation, taxonomy: Taxonomy) -> str:
    """Who is there, how two of them relate and what speaks for it; at most four sentences, each a caption.

    Names come from the story's own words. How sure the relation is decides how it is said; that it is a guess is said
    always.
    """
    names = names_of(story, relation.pair)
    first, second = (names[symbol].definite for symbol in relation.pair)
    sentences = [_opening(list(names.values()))]
    if relation.abstained:
        sentences.append(f"How {first} and {second} relate, I cannot tell.")
        return spoken(" ".join(sentences), names, story)
    probability = relation.probabilities[relation.label]
    seems = next(words for least, words in _SEEMS if probability >= least)
    label = next(label for label in taxonomy.labels if label.name == relation.label)
    sentences.append(f"{first} and {second} {seems} {told_of_two(label)}{_roles(relation, names)}.")
    sentences += [_reason(relation, story), "This is a guess and no more."]
    return spoken(" ".join(filter(None, sentences)), names, story)


def told_of_two(label: Label) -> str:
    """What two people seem to do: ``be friends``, ``work together``."""
    if label.spoken is not None:
        return label.spoken
    return f"be {label.name.replace('-', ' and ').replace('/', ' or ')}"


def _roles(relation: Relation, names: Mapping[str, Name]) -> str:
    """Who of the two is which, where the relation has two sides."""
    if relation.roles is None:
        return ""
    told = [f"{names[symbol].definite} the {role}" for role, symbol in relation.roles.people.items()]
    return f": {' and '.join(told)}"


def _opening(names: list[Name]) -> str:
    count = _NUMBERS[len(names)] if len(names) < len(_NUMBERS) else str(len(names))
    if len(names) > _INTRODUCED or not all(name.place for name in names):
        return f"I see {count} people."
    introduced = [name.indefinite for name in names]
    return f"I see {count} people: {', '.join(introduced[:-1])} and {introduced[-1]}."


def _reason(relation: Relation, story: str) -> str:
    """What speaks for the relation, empty where nothing does: the explanation, or the evidence where it only quotes.

    A quote of the story introduces people whom the listener knows by now.
    """
    text = (relation.explanation or "").strip()
    if any(quote in story for quote in re.findall(r'"([^"]{20,})"', text)):
        text = _strongest(relation.evidence)
        return text and f"I say so because {text[0].lower()}{text[1:]}"
    if not text:
        return ""
    text = text if text.endswith((".", "!", "?")) else f"{text}."
    first, second = relation.pair
    both = re.match(rf"(?:both )?<({first}|{second})> and <({first}|{second})>(?!')\s*(both )?", text, re.IGNORECASE)
    if both is not None and both[1] != both[2]:  # who was just named is spoken of as "they"
        return f"I say so because they {both[3] or ''}{text[both.end() :]}"
    return f"I say so because {text}" if text.startswith("<P") else text


def _strongest(evidence: Sequence[Evidence]) -> str:
    """The sentence of the story that speaks most for the relation and does more than introduce somebody."""
    telling = [found for found in evidence if found.weight > 0 and not _INTRODUCES.match(found.sentence)]
    return max(telling, key=lambda found: found.weight).sentence if telling else ""
