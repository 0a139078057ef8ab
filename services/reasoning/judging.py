"""An evaluation over HTTP, slice by slice: stories are judged until the time is over or all are done."""

import time
from typing import Any

import numpy as np

from services.common.labelled import check_labelled
from services.reasoning.evaluation import evaluate
from services.reasoning.llm import Check
from services.reasoning.pipeline import Reasoner
from services.reasoning.schemas import FEWEST_OF_A_LABEL, EvaluationProgress, EvaluationRequest
from services.reasoning.scoring import method_name
from services.reasoning.stories import in_turns
from services.reasoning.taxonomy import find_taxonomy


def judge_on(reasoner: Reasoner[Any], request: EvaluationRequest, check: Check) -> EvaluationProgress:
    """Scores of stories that have none yet; the figures when none is left. Raises ``invalid_request``."""
    reasoner.model.on_step = check
    began = time.monotonic()
    taxonomy = find_taxonomy(request.taxonomy)
    labels = [label.name for label in taxonomy.labels]
    check_labelled(request.stories, labels, FEWEST_OF_A_LABEL)
    stories = in_turns(request.stories, taxonomy)
    prompt, calibration = reasoner.chosen(taxonomy, request.prompt)
    new: dict[str, list[float]] = {}
    for story in stories:
        if story.id in request.scores:
            continue
        if new and time.monotonic() - began >= request.slice_s:
            return EvaluationProgress(scores=new, evaluation=None)
        new[story.id] = [float(score) for score in reasoner.scores(story.story, story.pair, taxonomy, prompt)]
    known = request.scores | new
    result = evaluate(
        np.array([known[story.id] for story in stories]),
        np.array([labels.index(story.label) for story in stories]),
        labels,
        calibration=calibration,
        stories_sha256=request.stories_sha256,
        about={
            "model": reasoner.model.name,
            "prompt": prompt.identity,
            "method": method_name(reasoner.method_told, calibration),
        },
        ids=[story.id for story in stories],
        coarse=[label.coarse for label in taxonomy.labels],
        seconds_per_story=(time.monotonic() - began) / max(len(new), 1),
    )
    return EvaluationProgress(scores=new, evaluation=result.model_dump(mode="json"))
