"""The direct route of /v1/relations: a model that sees the photo answers, without a story. To compare with it."""

from typing import Final

from gateway.api.parts import Parts
from gateway.taxonomy import find_taxonomy
from services.perception.schemas import Choice, Judgement, JudgeOptions, PhotoOptions
from services.reasoning.schemas import Question, Relation, RelationsResponse

METHOD: Final = "direct: label scoring by a model that sees the photo"


async def judge_photo(
    parts: Parts, photo: bytes, options: PhotoOptions, question: Question, request_id: str
) -> tuple[Judgement, RelationsResponse]:
    """Who is there, and the relations in the form of the reasoning service. Raises as the perception service does."""
    taxonomy = await find_taxonomy(question.taxonomy, lambda: parts.reasoning.taxonomies(request_id))
    asked = JudgeOptions(
        boxes=options.boxes,
        blur_faces=options.blur_faces,
        pairs=question.pairs,
        labels=[
            Choice(name=label.name, definition=label.definition, sensitive=label.sensitive) for label in taxonomy.labels
        ],
        leave_out_sensitive=question.leave_out_sensitive,
    )
    judgement = await parts.perception.judgement(photo, asked, request_id)
    coarse = {label.name: label.coarse for label in taxonomy.labels}
    relations = []
    for judged in judgement.relations:
        best = max(judged.probabilities, key=lambda name: judged.probabilities[name])
        relations.append(
            Relation(
                pair=judged.pair,
                label=best,
                coarse=coarse[best],
                probabilities=judged.probabilities,
                abstained=judged.probabilities[best] < question.abstain_below,
                explanation=None,
                evidence=[],
            )
        )
    answer = RelationsResponse(
        relations=relations,
        taxonomy=taxonomy.name,
        prompt="direct",
        model=judgement.model,
        method=METHOD,
        warnings=[],
        timings_s={},
    )
    return judgement, answer
