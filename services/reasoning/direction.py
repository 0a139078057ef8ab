"""Who has which role in a directed relation: a label says "father-child", its roles are asked for afterwards."""

from collections.abc import Sequence

import numpy as np

from services.reasoning.llm import LanguageModel, PrefixT
from services.reasoning.prompt import question
from services.reasoning.scoring import Pair


def first_has_first_role(
    model: LanguageModel[PrefixT], story: PrefixT, pair: Pair, label: str, roles: Sequence[str]
) -> float:
    """Probability that ``pair[0]`` has ``roles[0]`` and ``pair[1]`` the other one, as the model has it.

    The model completes "The father is" and "The child is" by one of the two, with either of them named first in the
    question. The difference of the two answers counts: a liking for a symbol or for who is named first, whatever the
    role, is in both and drops out.
    """
    symbols = [f"<{symbol}>" for symbol in pair]
    leads = []
    for order in (pair, pair[::-1]):
        told = model.read([f"{question(*order)} {label}."], story)
        try:
            rows = model.label_logprobs(told, [f" The {role} is" for role in roles], symbols)  # (2 roles, 2 people)
        finally:
            model.release(told)
        leads.append(rows[:, 0] - rows[:, 1])
    lead = np.mean(leads, axis=0)  # of pair[0], per role
    return float(1 / (1 + np.exp(-(lead[0] - lead[1]) / 2)))
