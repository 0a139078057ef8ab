"""Photo with the people's boxes drawn -> the probability of each label for each pair. To compare with the story's."""

from collections.abc import Sequence

import numpy as np

from services.perception.ask.vision_language import Check, VisionLanguageModel
from services.perception.detect.detector import Found
from services.perception.draw.marks import Mark, marked
from services.perception.schemas import Choice, Judged
from services.perception.segment.masks import Pixels, shrunk


def judge(
    model: VisionLanguageModel,
    pixels: Pixels,
    found: Found,
    *,
    pairs: Sequence[tuple[str, str]],
    labels: Sequence[Choice],
    check: Check,
) -> list[Judged]:
    """All pairs are asked about one picture, which is encoded once."""
    small, zoom = shrunk(pixels)
    marks = [Mark(symbol, person.box * zoom) for symbol, person in zip(found.symbols, found.people, strict=True)]
    names = [label.name for label in labels]
    meant = "; ".join(f"{label.name}: {label.definition}" for label in labels)
    questions = [
        f"People are marked by boxes with their names. Which relation do {first} and {second} most likely have? "
        f"Choose one of these. {meant}"
        for first, second in pairs
    ]
    scores = model.choose(marked(small, marks), questions, names, check)
    return [
        Judged(
            pair=pair,
            probabilities={
                name: round(float(share), 6) for name, share in zip(names, np.exp(np.float64(row)), strict=True)
            },
        )
        for pair, row in zip(pairs, scores, strict=True)
    ]
