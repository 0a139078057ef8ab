"""Facts -> one paragraph. Every sentence is put together from facts and says which; nothing else is in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.perception.facts import SURE, Fact
from services.perception.schemas import Person

MAX_SENTENCES: Final = 15
_MAX_PAIR_SENTENCES: Final = 4
_MAX_THINGS: Final = 4
_SAME_AGE_YEARS: Final = 8
_NUMBERS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_SHARED: Final = {"smiling": "smile", "facing the camera": "face the camera", "sitting": "sit", "standing": "stand"}
"""Phrase that all people share -> verb of the one sentence that says it for all."""

_PAIR_ORDER: Final = ("touch", "looks", "age_gap", "distance")


@dataclass(frozen=True)
class Sentence:
    """``facts`` are those that the sentence tells; none is empty."""

    text: str
    facts: tuple[Fact, ...]


def tell(people: Sequence[Person], facts: Sequence[Fact]) -> list[Sentence]:
    """The story of the photo, at most ``MAX_SENTENCES`` sentences."""
    persons = {person.symbol: [fact for fact in facts if fact.about[:1] == (person.symbol,)] for person in people}
    own = {symbol: [fact for fact in told if fact.kind in _PERSON_KINDS] for symbol, told in persons.items()}
    shared = _shared(own) if len(people) > 1 else []
    said_for_all = {fact for sentence in shared for fact in sentence.facts}
    left_to_right = sorted(people, key=lambda person: person.box[0] + person.box[2])
    sentences = [_opening(people, facts, own)]
    for place, person in enumerate(left_to_right):
        told = [fact for fact in own[person.symbol] if fact not in said_for_all]
        sentences.append(_person(person, told, _where(left_to_right, place)))
    sentences += shared
    sentences += _same_age(people, own)
    room = MAX_SENTENCES - len(sentences) - 1
    sentences += _pairs(facts, left_to_right)[: min(room, _MAX_PAIR_SENTENCES)]
    things = _things(facts)
    return sentences + ([things] if things else [])


_PERSON_KINDS: Final = ("person", "clothing", "posture", "expression", "gaze", "holding")


def _opening(people: Sequence[Person], facts: Sequence[Fact], own: dict[str, list[Fact]]) -> Sentence:
    count = _NUMBERS[len(people)] if len(people) < len(_NUMBERS) else str(len(people))
    scene = [fact for fact in facts if fact.kind in ("setting", "place")]
    where = "".join(f", {_hedged_phrase(fact)}" for fact in scene)
    who = f"{count} people are" if len(people) > 1 else "One person is"
    return Sentence(f"{who} in the photo{where}.", (*scene, *(told[0] for told in own.values())))


def _hedged_phrase(fact: Fact) -> str:
    return fact.phrase if fact.is_sure else f"perhaps {fact.phrase}"


def _where(people: Sequence[Person], place: int) -> str:
    """Place among the people from left to right."""
    if len(people) == 1:
        return ""
    if place == 0:
        return "is on the left"
    if place == len(people) - 1:
        return f"is on the right, next to <{people[place - 1].symbol}>"
    return f"is between <{people[place - 1].symbol}> and <{people[place + 1].symbol}>"


def _person(person: Person, facts: list[Fact], where: str) -> Sentence:
    by_kind = {fact.kind: fact for fact in facts}
    who = by_kind["person"]
    clothing = f" {by_kind['clothing'].phrase}" if "clothing" in by_kind else ""
    states = [by_kind[kind].phrase for kind in ("posture", "expression", "gaze") if kind in by_kind]
    held = by_kind.get("holding")
    if held is not None:
        states.append(("holding " if held.score >= SURE else "apparently holding ") + held.phrase)
    if not where:
        rest = f", {_listed(states)}" if states else ""
        return Sentence(f"<{person.symbol}> is {who.phrase}{clothing}{rest}.", tuple(facts))
    rest = f", {_listed(states)}" if states else ""
    return Sentence(f"<{person.symbol}>, {who.phrase}{clothing}, {where}{rest}.", tuple(facts))


def _shared(own: dict[str, list[Fact]]) -> list[Sentence]:
    """What all people do is said once: ``All of them smile and face the camera.``"""
    verbs, backing = [], []
    for phrase, verb in _SHARED.items():
        found = [fact for told in own.values() for fact in told if fact.phrase == phrase]
        if len(found) == len(own):
            verbs.append(verb)
            backing += found
    if not verbs:
        return []
    subject = "Both" if len(own) == 2 else "All of them"
    return [Sentence(f"{subject} {_listed(verbs)}.", tuple(backing))]


def _same_age(people: Sequence[Person], own: dict[str, list[Fact]]) -> list[Sentence]:
    ages = [int(person.attributes["age"].value) for person in people if "age" in person.attributes]
    if len(people) < 2 or len(ages) < len(people) or max(ages) - min(ages) > _SAME_AGE_YEARS:
        return []
    subject = "Both" if len(people) == 2 else "All"
    return [Sentence(f"{subject} look about the same age.", tuple(told[0] for told in own.values()))]


def _pairs(facts: Sequence[Fact], left_to_right: Sequence[Person]) -> list[Sentence]:
    """Touch first, then looks, ages and distances; distances of neighbours only, gathered where they are alike."""
    order = [person.symbol for person in left_to_right]
    neighbours = {frozenset(pair) for pair in pairwise(order)}
    told = []
    for kind in _PAIR_ORDER[:-1]:
        found = sorted((fact for fact in facts if fact.kind == kind), key=lambda fact: -fact.score)
        told += [Sentence(f"{_seems(fact)}.", (fact,)) for fact in found[:2]]
    close = [
        fact
        for fact in facts
        if fact.kind == "distance" and frozenset(fact.about) in neighbours and "close together" in fact.text
    ]
    if len(order) > 2 and len(close) == len(order) - 1:
        told.append(Sentence("They are close together as a group.", tuple(close)))
    else:
        apart = [fact for fact in facts if fact.kind == "distance" and frozenset(fact.about) in neighbours]
        told += [Sentence(f"{_seems(fact)}.", (fact,)) for fact in apart]
    return told


def _seems(fact: Fact) -> str:
    return fact.text if fact.is_sure else f"It seems that {fact.text}"


def _things(facts: Sequence[Fact]) -> Sentence | None:
    held = {symbol for fact in facts if fact.kind == "holding" for symbol in fact.about}
    seen = [fact for fact in facts if fact.kind == "object" and fact.about[0] not in held and fact.phrase != "a tie"]
    seen = sorted(seen, key=lambda fact: -fact.score)[:_MAX_THINGS]
    if not seen:
        return None
    return Sentence(f"Also to be seen: {_listed([fact.phrase for fact in seen])}.", tuple(seen))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
