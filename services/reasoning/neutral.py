"""What a model prefers among labels to which nobody has fitted a calibration: a caller's own, or a new prompt's.

Its mean answer to a dozen short stories of everyday scenes stands for it. They are so different that no label fits them
all, and so short that they cost a new taxonomy about as much as reading its prompt.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.reasoning.calibration import NEUTRAL, Calibration
from services.reasoning.llm import LanguageModel, PrefixT
from services.reasoning.prompt import story_pieces
from services.reasoning.schemas import Label, Method
from services.reasoning.scoring import pair_scores

STORIES: Final = (
    "<P1> and <P2> stand side by side and look at the camera.",
    "<P1>, a woman, and <P2>, a man, sit at a table with two cups (<O1>).",
    "<P1> hands a bag (<O1>) to <P2> over a counter.",
    "<P1>, a woman of about 40, holds the hand of <P2>, a child of about 6, on a path.",
    "<P1> and <P2>, two young men, carry a ball (<O1>) across a field.",
    "<P1> points at a screen (<O1>) while <P2> takes notes.",
    "<P1> and <P2>, both about 70, walk arm in arm along a beach.",
    "<P1> reads on a bench; <P2> walks past with a dog (<O1>).",
    "<P1> and <P2>, two women in aprons, wash dishes.",
    "<P1> sings into a microphone (<O1>), and <P2> plays a guitar (<O2>).",
    "<P1>, an old man, watches <P2>, a girl of about 8, paint.",
    "<P1> and <P2> laugh together in a kitchen.",
)


def neutral_prior(
    model: LanguageModel[PrefixT], prompt: PrefixT, labels: Sequence[Label], method: Method
) -> Calibration:
    """The model's mean score of each label over ``STORIES``, read behind ``prompt``; temperature 1."""
    scores = []
    for story in STORIES:
        read = model.read([*story_pieces([story]), model.chat_frame.before_answer], prompt)
        try:
            scores.append(pair_scores(model, read, [("P1", "P2")], labels, method)[0])
        finally:
            model.release(read)
    prior = np.mean(scores, axis=0)
    return Calibration(
        log_prior={label.name: float(value) for label, value in zip(labels, prior, strict=True)},
        temperature=1.0,
        n_stories=len(STORIES),
        source=NEUTRAL,
        stories_sha256="",
    )
