"""Facts -> one paragraph. Every sentence is put together from facts and says which; nothing else is in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.perception.schemas import Person
from services.perception.tell.facts import SAID, SURE, Fact, left_to_right, listed

MAX_SENTENCES: Final = 15
_MAX_PAIR_SENTENCES: Final = 4
_MAX_THINGS: Final = 4
_NUMBERS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_SHARED: Final = {"smiling": "smile", "facing the camera": "face the camera", "sitting": "sit", "standing": "stand"}
"""Phrase that all people share -> verb of the one sentence that says it for all."""

_PAIR_ORDER: Final = ("touch", "looks", "dress", "age_gap", "distance")


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
    row = left_to_right(people)
    sentences = [_opening(people, facts, own)]
    said = [fact for fact in facts if fact.kind in SAID]
    if said:
        sentences.append(Sentence(f"A model describes {listed([fact.phrase for fact in said])}.", tuple(said)))
    for person in row:
        told = [fact for fact in own[person.symbol] if fact not in said_for_all]
        sentences.append(_person(person, told))
    sentences += shared
    sentences += [Sentence(f"{fact.phrase}.", (fact,)) for fact in facts if fact.kind == "same_age"]
    room = MAX_SENTENCES - len(sentences) - 1
    sentences += _pairs(facts, row)[: max(0, min(room, _MAX_PAIR_SENTENCES))]
    things = _things(facts)
    return sentences + ([things] if things else [])


_PERSON_KINDS: Final = ("person", "position", "clothing", "posture", "action", "expression", "gaze", "holding")


def _opening(people: Sequence[Person], facts: Sequence[Fact], own: dict[str, list[Fact]]) -> Sentence:
    count = _NUMBERS[len(people)] if len(people) < len(_NUMBERS) else str(len(people))
    scene = [fact for fact in facts if fact.kind in ("setting", "place")]
    where = "".join(f", {_hedged_phrase(fact)}" for fact in scene)
    who = f"{count} people are" if len(people) > 1 else "One person is"
    return Sentence(f"{who} in the photo{where}.", (*scene, *(told[0] for told in own.values())))


def _hedged_phrase(fact: Fact) -> str:
    return fact.phrase if fact.is_sure else f"perhaps {fact.phrase}"


def _person(person: Person, facts: list[Fact]) -> Sentence:
    by_kind = {fact.kind: fact for fact in facts}
    who = by_kind["person"]
    clothing = f" {by_kind['clothing'].phrase}" if "clothing" in by_kind else ""
    states = [by_kind[kind].phrase for kind in ("posture", "action", "expression", "gaze") if kind in by_kind]
    held = by_kind.get("holding")
    if held is not None:
        states.append(("holding " if held.score >= SURE else "apparently holding ") + held.phrase)
    rest = f", {listed(states)}" if states else ""
    if "position" not in by_kind:
        return Sentence(f"<{person.symbol}> is {who.phrase}{clothing}{rest}.", tuple(facts))
    where = by_kind["position"].phrase
    return Sentence(f"<{person.symbol}>, {who.phrase}{clothing}, is {where}{rest}.", tuple(facts))


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
    return [Sentence(f"{subject} {listed(verbs)}.", tuple(backing))]


def _pairs(facts: Sequence[Fact], row: Sequence[Person]) -> list[Sentence]:
    """Touch first, then looks, ages and distances; distances of neighbours only, gathered where they are alike."""
    order = [person.symbol for person in row]
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
    seen = [fact for fact in facts if fact.kind == "object" and fact.about[0] not in held]
    seen = [fact for fact in seen if not fact.phrase.startswith("a tie ")]  # told as what someone wears
    seen = sorted(seen, key=lambda fact: -fact.score)[:_MAX_THINGS]
    if not seen:
        return None
    return Sentence(f"Also to be seen: {listed([_hedged_phrase(fact) for fact in seen])}.", tuple(seen))
