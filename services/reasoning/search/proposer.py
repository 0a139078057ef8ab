"""Which prompts to try next. Each proposer looks at what was measured so far and at nothing else."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from services.reasoning.prompt import SEGMENTS
from services.reasoning.search.events import Stepped
from services.reasoning.search.pools import Choice, Pools, differing, swap

_EXPLORE: Final = 0.3
"""Weight of the unknown in ``ucb``, in nats: about what a good swap gains."""


def top_swaps(changes: Sequence[Sequence[float]], choice: Choice, top: int, *, stay: bool = False) -> list[Choice]:
    """The ``top`` texts of each segment whose estimated change of the loss is smallest, as single swaps.

    With ``stay`` the chosen text is one of them where it ranks among them, as in the published algorithm.
    """
    found = []
    for segment in range(len(SEGMENTS)):
        order = sorted(range(len(changes[segment])), key=lambda index: changes[segment][index])
        allowed = [candidate for candidate in order if stay or candidate != choice[segment]]
        found += [swap(choice, segment, candidate) for candidate in allowed[:top]]
    return list(dict.fromkeys(found))


def random_swaps(pools: Pools, choice: Choice, count: int, rng: np.random.Generator) -> list[Choice]:
    """``count`` different single swaps by chance."""
    all_swaps = pools.neighbours(choice)
    return [all_swaps[index] for index in rng.permutation(len(all_swaps))[:count]]


def ucb_swaps(
    pools: Pools, choice: Choice, history: Sequence[Stepped], count: int, rng: np.random.Generator
) -> list[Choice]:
    """Single swaps by upper confidence bound of their past gain (UCB1); texts never tried come first, by chance.

    An arm is a text of a segment; its gains are minus the loss differences of the steps that tried it.
    """
    gains: dict[tuple[int, int], list[float]] = {}
    for step in history:
        for trial in step.trials:
            for segment in differing(step.before, trial.choice):
                gains.setdefault((segment, trial.choice[segment]), []).append(-trial.difference)
    tried = sum(len(found) for found in gains.values())

    def bound(rival: Choice) -> float:
        (segment,) = differing(choice, rival)
        found = gains.get((segment, rival[segment]))
        if found is None:
            return math.inf
        return sum(found) / len(found) + _EXPLORE * math.sqrt(math.log(1 + tried) / len(found))

    shuffled = random_swaps(pools, choice, sum(pools.sizes), rng)
    return sorted(shuffled, key=bound, reverse=True)[:count]  # stable: ties stay by chance


def tpe_choices(pools: Pools, choice: Choice, history: Sequence[Stepped], count: int, seed: int) -> list[Choice]:
    """Choices by Optuna's tree of Parzen estimators over four categorical variables; several segments may change."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: CategoricalDistribution(range(pools.sizes[segment])) for segment, name in enumerate(SEGMENTS)}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=False))
    level = 0.0  # the loss of the prompt of that time against the first one
    for step in history:
        for trial in step.trials:
            params = dict(zip(SEGMENTS, trial.choice, strict=True))
            study.add_trial(create_trial(params=params, distributions=space, value=level + trial.difference))
        level += sum(trial.difference for trial in step.trials if trial.choice == step.after)
    found: dict[Choice, None] = {}
    for _ in range(20 * count):
        asked = study.ask(space)
        candidate = tuple(asked.params[name] for name in SEGMENTS)
        if candidate != choice:
            found[candidate] = None
        if len(found) == count:
            break
    return list(found)
