"""What a search will cost at most, told before it starts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.reasoning.llm import LanguageModel
from services.reasoning.schemas import Label, LabelledStory, Method, SearchEstimate, SearchOptions
from services.reasoning.scoring import both_orders, ways
from services.reasoning.search.halving import rungs, survivors
from services.reasoning.search.pools import Pools
from services.reasoning.search.split import Split


def estimate(
    model: LanguageModel[Any],
    pools: Pools,
    split: Split,
    options: SearchOptions,
    *,
    labels: Sequence[Label],
    method: Method,
) -> SearchEstimate:
    """From the mean lengths of the pools' texts and of the stories."""
    segments = [
        float(np.mean([model.count_tokens(text) for text in pools.of(index)])) for index in range(len(pools.sizes))
    ]
    asked = _asked_tokens(model, labels, method)
    prompt, story = sum(segments), _story_tokens(model, [*split.train, *split.validation]) + asked
    batch = min(options.batch, len(split.train))
    if options.published:
        # forward and backward for each segment and story, forward for each rival and story; nothing shared
        step = batch * (prompt + story) * len(segments) * (3 + options.top)
    else:
        rivals = sum(pools.sizes) if options.proposer == "halving" else options.top * len(segments)
        gradient = 3 * (prompt + batch * story) if options.proposer == "gradient" else 0.0
        # A rival reads on from the segment that it changes: on average the later half of the prompt.
        changed = float(np.mean([sum(segments[index:]) for index in range(len(segments))]))
        step, left, known = gradient + prompt + batch * story, rivals, 0
        step += rivals * changed  # kept for all rounds, where there is room
        for stories in rungs(batch):
            step += left * (stories - known) * story
            left, known = survivors(left), stories
    validation = prompt + len(split.validation) * story
    n_stories = len(split.train) + len(split.validation) + len(split.test)
    search = validation + options.steps * (step + validation)
    if options.tokens is not None:
        search = min(search, options.tokens + step)
    price = options.price_per_million_tokens
    return SearchEstimate(
        step=round(step),
        search=round(search),
        judging=round(2 * (prompt + n_stories * story)),
        money=None if price is None else round(search / 1e6 * price, 4),
    )


def _story_tokens(model: LanguageModel[Any], stories: Sequence[LabelledStory]) -> float:
    return float(np.mean([model.count_tokens(story.story) for story in stories]))


def _asked_tokens(model: LanguageModel[Any], labels: Sequence[Label], method: Method) -> int:
    """Of all that is asked about a pair."""
    orders = both_orders([("P1", "P2")])
    texts = [text for way in ways(labels, method) for text in (way.lead, *(way.question(pair) for pair in orders))]
    return sum(model.count_tokens(text) for text in texts)
