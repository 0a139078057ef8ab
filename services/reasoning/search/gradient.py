"""Which text would lower the loss? A first-order answer for all texts of all segments from one backward pass.

The paper (section 3.4) relaxes the one-hot choice h of a segment and takes dLoss/dh. With the segment's embedding
sum_j h_j E_j, that is sum_t <dLoss/de_t, E_j[t]>: so one gradient with respect to the prompt's own embeddings e serves
every text of every pool. All stories share the prompt's forward pass, and so its backward pass: their gradients with
respect to the prompt's keys and values are summed before they are taken through it.
"""

from collections.abc import Sequence

import torch
from numpy.typing import NDArray
from torch import Tensor

from services.reasoning.instructions import sentences_told
from services.reasoning.llm import Control, LogProbs
from services.reasoning.prompt import SEGMENTS, story_pieces
from services.reasoning.schemas import Label, LabelledStory, Method, Taxonomy
from services.reasoning.scoring import both_orders, ways
from services.reasoning.search.pools import Choice, Pools
from services.reasoning.transformers_lm import TorchPrefix, TransformersModel


def loss_changes(
    model: TransformersModel,
    pools: Pools,
    choice: Choice,
    stories: Sequence[LabelledStory],
    *,
    taxonomy: Taxonomy,
    method: Method,
    weights: LogProbs,
) -> list[list[float]]:
    """Estimated change of the loss when a segment takes another text: per segment, per text of its pool.

    ``weights``: derivative of the loss with respect to each story's scores, shape (stories, labels).
    """
    frame, texts = model.chat_frame, pools.prompt(choice).pieces
    fixed: list[str | Control] = [frame.before_system, *texts, frame.before_user]
    pieces = [model.tokens(piece) for piece in fixed]
    embedded = model.embed([token for piece in pieces for token in piece]).requires_grad_()
    before = model.tokens_read
    _, layers = model.forward(embedded[None], (), 0, [0])
    leaves = tuple((keys.detach().requires_grad_(), values.detach().requires_grad_()) for keys, values in layers)
    for story, weight in zip(stories, weights, strict=True):
        model.on_step()
        _story_scores(
            model, TorchPrefix((len(embedded),), leaves), story, labels=taxonomy.labels, method=method, weight=weight
        ).backward()  # type: ignore[no-untyped-call]
    model.on_step()
    torch.autograd.backward(
        [tensor for layer in layers for tensor in layer], [tensor.grad for layer in leaves for tensor in layer]
    )
    model.tokens_read += 2 * (model.tokens_read - before)  # a backward pass costs two forward passes
    assert embedded.grad is not None  # noqa: S101 - it was just computed
    found, start = [], len(pieces[0])
    for segment in range(len(SEGMENTS)):
        length = len(pieces[1 + segment])
        slopes = swap_scores(model, pools, segment, embedded.grad[start : start + length])
        found.append([slope - slopes[choice[segment]] for slope in slopes])
        start += length
    return found


def _story_scores(
    model: TransformersModel,
    prompt: TorchPrefix,
    story: LabelledStory,
    *,
    labels: Sequence[Label],
    method: Method,
    weight: NDArray,  # type: ignore[type-arg]
) -> Tensor:
    """The story's scores, weighted and summed; mean over ways and orders as the service takes it."""
    pieces: list[str | Control] = [
        *story_pieces(sentences_told(story.story, labels)[0]),
        model.chat_frame.before_answer,
    ]
    tokens = [token for piece in pieces for token in model.tokens(piece)]
    _, layers = model.forward(model.embed(tokens)[None], prompt.layers, prompt.n_tokens, [0])
    read = TorchPrefix((prompt.n_tokens + len(tokens),), layers)
    by_way: list[Tensor] = []
    for way in ways(labels, method):
        after = read
        if way.lead:
            lead = model.tokens(way.lead)
            _, layers = model.forward(model.embed(lead)[None], read.layers, read.n_tokens, [0])
            after = TorchPrefix((read.n_tokens + len(lead),), layers)
        questions = [way.question(pair) for pair in both_orders([story.pair])]
        rows = torch.stack(model.label_scores(after, questions, way.answers))
        by_way.append((rows @ torch.tensor(way.weights, dtype=rows.dtype, device=rows.device)).mean(dim=0))
    scores = torch.stack(by_way).mean(dim=0)
    return (scores * torch.tensor(weight, dtype=scores.dtype, device=scores.device)).sum()


def swap_scores(model: TransformersModel, pools: Pools, segment: int, slope: Tensor) -> list[float]:
    """sum_t <slope[t], E_j[t]> for each text j of a pool; ``slope``: (tokens of the segment, width)."""
    found = []
    for text in segment_texts(pools, segment):
        tokens = model.tokens(text)[: len(slope)]
        found.append(float((slope[: len(tokens)] * model.embed(tokens)).sum()))
    return found


def segment_texts(pools: Pools, segment: int) -> list[str]:
    """A pool's texts as they stand in a prompt."""
    end = "" if segment == len(SEGMENTS) - 1 else "\n\n"
    return [text + end for text in pools.of(segment)]
