"""Answers -> facts: what may be told, in words, with the score that it rests on. Facts become the story's records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.perception.schemas import REGION, Answer, Pair, Person, Thing

MIN_SCORE: Final = 0.5
"""Less sure answers are kept among the attributes and not told."""

SURE: Final = 0.65
"""Below this a fact is told as what seems to be."""

_MIN_SCORES: Final = {"age": 0.35, "smiling": 0.6, "surprised": 0.8, "neutral": 0.7, "sad": 0.9, "angry": 0.95}
_EXPRESSIONS: Final = {
    "smiling": "smiling", "surprised": "looking surprised", "neutral": "with a calm face",
    "sad": "looking sad or serious", "angry": "looking angry",
}  # fmt: skip
_PLAIN_TOPS: Final = ("a T-shirt", "a sweatshirt", "a cardigan")
"""Garments that cover the torso in one colour; over a suit or a gown the torso's colour may be a shirt's."""

_GENDER_SURE: Final = 0.7
_AGE_GAP_YEARS: Final = 15
_SAME_AGE_YEARS: Final = 8


@dataclass(frozen=True)
class Fact:
    """``text`` is a sentence without its full stop; ``phrase`` is the part that a longer sentence can take up."""

    about: tuple[str, ...]
    kind: str
    text: str
    phrase: str
    score: float

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE


def person_facts(person: Person, things: Sequence[Thing]) -> list[Fact]:
    """Facts about one person, in the order in which a story tells them."""
    name, answers = f"<{person.symbol}>", person.attributes
    facts = [_who(person)]

    def tell(kind: str, phrase: str, score: float) -> None:
        facts.append(Fact((person.symbol,), kind, f"{name} is {phrase}", phrase, score))

    clothes = _clothes({key: answer for key, answer in answers.items() if answer.score >= MIN_SCORE})
    if clothes is not None:
        tell("clothing", *clothes)
    if "posture" in answers:
        tell("posture", answers["posture"].value, answers["posture"].score)
    if "action" in answers:
        tell("action", quoted(answers["action"].value), answers["action"].score)
    expression = answers.get("expression")
    if expression is not None and expression.score >= _MIN_SCORES.get(expression.value, 2.0):
        tell("expression", _EXPRESSIONS[expression.value], expression.score)
    if "gaze" in answers:
        towards = {"camera": "facing the camera"}.get(answers["gaze"].value, f"looking to the {answers['gaze'].value}")
        tell("gaze", towards, answers["gaze"].score)
    held = answers.get("holding")
    if held is not None:
        thing = next(thing for thing in things if thing.symbol == held.value)
        about = (person.symbol, thing.symbol)
        phrase = f"{article(thing.name)} (<{thing.symbol}>)"
        facts.append(Fact(about, "holding", f"{name} holds {phrase}", phrase, held.score))
    return [fact for fact in facts if fact.kind == "person" or fact.score >= MIN_SCORE]


def group_facts(people: Sequence[Person]) -> list[Fact]:
    """Where each stands among the people from left to right, and whether all look of one age."""
    if len(people) < 2:
        return []
    row = left_to_right(people)
    facts = [_position(row, place) for place in range(len(row))]
    ages = [years for person in people if (years := _told_age(person)) is not None]
    if len(ages) == len(people) and max(ages) - min(ages) <= _SAME_AGE_YEARS:
        symbols = tuple(person.symbol for person in people)
        subject = "Both" if len(people) == 2 else "All"
        score = min(person.attributes["age"].score for person in people)
        names = listed([f"<{symbol}>" for symbol in symbols])
        facts.append(
            Fact(symbols, "same_age", f"{names} look about the same age", f"{subject} look about the same age", score)
        )
    return facts


def left_to_right(people: Sequence[Person]) -> list[Person]:
    """By the middle of their boxes."""
    return sorted(people, key=lambda person: person.box[0] + person.box[2])


def _position(row: Sequence[Person], place: int) -> Fact:
    """``on the left``, ``between <P1> and <P3>``, ``on the right, next to <P3>``."""
    symbol = row[place].symbol
    before, after = row[max(place - 1, 0) : place], row[place + 1 : place + 2]
    beside = tuple(person.symbol for person in (*before, *after))
    if not before:
        phrase, beside = "on the left", ()
    elif not after:
        phrase = f"on the right, next to <{beside[0]}>"
    else:
        phrase = f"between <{beside[0]}> and <{beside[1]}>"
    return Fact((symbol, *beside), "position", f"<{symbol}> is {phrase}", phrase, 1.0)


def pair_facts(pair: Pair) -> list[Fact]:
    """Facts about two people: touch, looks, dress, distance, ages far apart."""
    first, second = pair.pair
    names = {"first": f"<{first}>", "second": f"<{second}>"}
    facts = []

    def tell(kind: str, text: str, score: float) -> None:
        facts.append(Fact((first, second), kind, text, text, score))

    touch = pair.answers.get("touch")
    if touch is not None:
        tell("touch", _TOUCHES[touch.value].format(**names), touch.score)
    looks = pair.answers.get("looks")
    if looks is not None and looks.value in _LOOKS:
        tell("looks", _LOOKS[looks.value].format(**names), looks.score)
    dress = pair.answers.get("dress")
    if dress is not None:
        tell("dress", _DRESSES[dress.value].format(**names), dress.score)
    distance = pair.answers["distance"]
    if distance.value in _DISTANCES:
        tell("distance", _DISTANCES[distance.value].format(**names), distance.score)
    gap = pair.answers.get("age_gap")
    if gap is not None and abs(int(gap.value)) >= _AGE_GAP_YEARS:
        older, younger = (second, first) if int(gap.value) > 0 else (first, second)
        years = round(abs(int(gap.value)) / 5) * 5
        tell("age_gap", f"<{older}> looks about {years} years older than <{younger}>", gap.score)
    return [fact for fact in facts if fact.score >= MIN_SCORE]


_TOUCHES: Final = {
    "hands_together": "{first} and {second} have their hands together",
    "first_arm_round": "{first} has an arm round {second}",
    "second_arm_round": "{second} has an arm round {first}",
    "heads_together": "{first} and {second} hold their heads close together",
}
_LOOKS: Final = {
    "face_each_other": "{first} and {second} face each other",
    "first_at_second": "{first} looks towards {second}",
    "second_at_first": "{second} looks towards {first}",
    "both_left": "{first} and {second} look in the same direction",
    "both_right": "{first} and {second} look in the same direction",
}
_DRESSES: Final = {
    "uniform": "{first} and {second} wear the same kind of dress",
    "alike": "{first} and {second} are dressed in the same colours",
}
_DISTANCES: Final = {
    "side by side": "{first} and {second} are close together",
    "within reach": "{first} and {second} are within reach of each other",
    "a few steps apart": "{first} and {second} are a few steps apart",
    "far apart": "{first} and {second} are far apart",
    "one further back": "{first} and {second} are at different distances from the camera",
}


def scene_facts(scene: dict[str, Answer]) -> list[Fact]:
    """Where it is, as far as it is known. What a model said of it in words of its own stands in quotation marks."""
    facts = []
    if "setting" in scene:
        answer = scene["setting"]
        facts.append(Fact((), "setting", f"The photo was taken {answer.value}", answer.value, answer.score))
    if "place" in scene:
        answer = scene["place"]
        facts.append(Fact((), "place", f"The scene is {answer.value}", answer.value, max(answer.score, MIN_SCORE)))
    for name, what in SAID.items():
        if name in scene and scene[name].score >= MIN_SCORE:
            phrase = f"{what} as {quoted(scene[name].value)}"
            facts.append(Fact((), name, f"A model describes {phrase}", phrase, scene[name].score))
    return facts


SAID: Final = {"caption": "the photo", "described_place": "its scene", "event": "the occasion"}
"""Question -> of what its answer, in the model's own words, is a description."""


def thing_facts(things: Sequence[Thing]) -> list[Fact]:
    """One fact per thing that was seen and has a name or a caption."""
    facts = []
    for thing in things:
        caption = thing.attributes.get("caption")
        if thing.name != REGION:
            phrase, score = f"{article(thing.name)} (<{thing.symbol}>)", thing.score
        elif caption is not None and caption.score >= MIN_SCORE:
            phrase, score = f"{quoted(caption.value)} (<{thing.symbol}>)", caption.score
        else:
            continue
        facts.append(Fact((thing.symbol,), "object", f"There is {phrase}", phrase, score))
    return facts


def quoted(words: str) -> str:
    """A model's own words, marked as such."""
    return f"\u201c{words}\u201d"


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def article(noun: str) -> str:
    """``a`` or ``an`` before the noun; pairs and the like bring their own."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _who(person: Person) -> Fact:
    """``a man of about 45``; without an age ``a man``, without a sure gender ``a person``."""
    gender = person.attributes.get("gender")
    years, scores = _told_age(person), [person.score]
    if years is not None:
        scores.append(person.attributes["age"].score)
    sex = None
    if gender is not None and gender.score >= _GENDER_SURE:
        sex = gender.value
        scores.append(gender.score)
    phrase = _noun(sex, years)
    return Fact((person.symbol,), "person", f"<{person.symbol}> is {phrase}", phrase, min(scores))


def _told_age(person: Person) -> int | None:
    """In years; None where it is not known or not sure enough to be told."""
    age = person.attributes.get("age")
    return int(age.value) if age is not None and age.score >= _MIN_SCORES["age"] else None


def _noun(sex: str | None, years: int | None) -> str:
    if years is None:
        return {"male": "a male person", "female": "a female person"}.get(sex or "", "a person")
    if years < 3:
        return "a baby or toddler"
    stages = (
        (13, ("boy", "girl", "child")),
        (18, ("teenage boy", "teenage girl", "teenager")),
        (200, ("man", "woman", "person")),
    )
    words = next(words for limit, words in stages if years < limit)
    noun = words[("male", "female").index(sex)] if sex in ("male", "female") else words[2]
    shown = years if years < 20 else round(years / 5) * 5
    return f"a {noun} of about {shown}"


def _clothes(answers: dict[str, Answer]) -> tuple[str, float] | None:
    """(phrase, score) of what a person wears."""
    top, bottom, garment = (answers.get(name) for name in ("top_colour", "bottom_colour", "garment"))
    parts: list[tuple[str, float]] = []
    if "clothing" in answers:
        parts.append((f"wearing {quoted(answers['clothing'].value)}", answers["clothing"].score))
    elif garment is not None and garment.value in _PLAIN_TOPS and top is not None:
        noun = garment.value.removeprefix("a ")
        parts.append((f"in {article(f'{top.value} {noun}')}", min(garment.score, top.score)))
    elif garment is not None:
        parts.append((f"in {garment.value}", garment.score))
    elif top is not None and bottom is not None and top.value == bottom.value:
        parts.append((f"dressed in {top.value}", min(top.score, bottom.score)))
    elif top is not None:
        parts.append((f"in {article(top.value)} top", top.score))
        if bottom is not None:
            parts.append((f"with {bottom.value} below", bottom.score))
    elif bottom is not None:
        parts.append((f"in {bottom.value} from the waist down", bottom.score))
    if "tie" in answers and "clothing" not in answers:
        parts.append(("with a tie", answers["tie"].score))
    if not parts:
        return None
    return " ".join(phrase for phrase, _ in parts), min(score for _, score in parts)
