"""What is searched for: the right label likely, once the prompt's own preference among the labels is taken out.

The published loss is the likelihood of one target sentence. Here the labels compete with each other alone, and the mean
of their log-probabilities over the compared stories is taken off first, as calibration does it for the service: else a
search spends itself on prompts that happen to lean less, which calibration gives for nothing.
"""

import numpy as np
from numpy.typing import NDArray

from services.reasoning.calibration import log_softmax
from services.reasoning.llm import LogProbs


def losses(scores: LogProbs, truth: NDArray[np.intp]) -> NDArray[np.float64]:
    """Negative log-likelihood of each story's label, shape (stories,).

    ``scores``: the model's log-probabilities, shape (stories, labels); ``truth``: index of the right label (stories,).
    """
    logprobs = log_softmax(scores - scores.mean(axis=0))
    return np.asarray(-logprobs[np.arange(len(truth)), truth])


def loss_gradient(scores: LogProbs, truth: NDArray[np.intp]) -> NDArray[np.float64]:
    """Derivative of the mean of ``losses`` with respect to ``scores``, shape (stories, labels)."""
    excess = np.exp(log_softmax(scores - scores.mean(axis=0)))
    excess[np.arange(len(truth)), truth] -= 1.0
    # Each score also moves the mean that is taken off every story.
    return np.asarray((excess - excess.mean(axis=0)) / len(truth))
