"""Stage 4, tell: answers -> records -> story. Needs no model and no photo."""

from services.perception.schemas import Answers, Record, Sentence, Story
from services.perception.tell.facts import Fact, group_facts, pair_facts, person_facts, scene_facts, thing_facts
from services.perception.tell.story import tell


def tell_story(answers: Answers) -> Story:
    """The answers with what may be told of them: records r1, r2, ... and sentences that name theirs."""
    facts = facts_of(answers)
    ids = {fact: f"r{number}" for number, fact in enumerate(facts, start=1)}
    sentences = [
        Sentence(text=sentence.text, records=[ids[fact] for fact in sentence.facts])
        for sentence in tell(answers.people, facts)
    ]
    return Story(
        **dict(answers),
        records=[_record(ids[fact], fact) for fact in facts],
        sentences=sentences,
        story=" ".join(sentence.text for sentence in sentences),
    )


def facts_of(answers: Answers) -> list[Fact]:
    """What is sure enough to be told, each fact once."""
    facts = [
        *scene_facts(answers.scene),
        *(fact for person in answers.people for fact in person_facts(person, answers.objects)),
        *group_facts(answers.people),
        *(fact for pair in answers.pairs for fact in pair_facts(pair)),
        *thing_facts(answers.objects),
    ]
    return list(dict.fromkeys(facts))


def _record(record_id: str, fact: Fact) -> Record:
    return Record(id=record_id, about=list(fact.about), kind=fact.kind, text=fact.text, score=round(fact.score, 3))
