"""Greedy Segment Prompt Optimization as published (Li et al., NeurIPS 2024, section 3.4), to the letter.

The loss is -log p of the target "The final answer is <label>", as mean over its tokens. For each segment the one-hot
choice h is relaxed: the segment's embedding is sum_j h_j E_j, with E_j the embeddings of text j, cut or filled up with
zeros to the length of the chosen text. One forward and one backward pass for each segment of each story, one forward
pass for each rival on each story, nothing shared and nothing kept.
"""

import torch
from torch import Tensor

from services.reasoning.prompt import question, split_sentences, story_pieces
from services.reasoning.schemas import LabelledStory
from services.reasoning.search.gradient import segment_texts
from services.reasoning.search.pools import Choice, Pools
from services.reasoning.transformers_lm import TransformersModel, wide


def target_sentence(label: str) -> str:
    """What the model shall answer; the explanation behind it is left free."""
    return f"The final answer is {label}."


@torch.no_grad()
def target_loss(model: TransformersModel, pools: Pools, choice: Choice, story: LabelledStory) -> float:
    """Mean negative log-likelihood of the target's tokens."""
    segments = [model.embed(model.tokens(text)) for text in pools.prompt(choice).pieces]
    return float(_loss(model, segments, story))


def choice_gradient(
    model: TransformersModel, pools: Pools, choice: Choice, segment: int, story: LabelledStory
) -> list[float]:
    """Derivative of the story's loss with respect to the segment's one-hot choice, one number for each text."""
    weights = torch.zeros(pools.sizes[segment], device=model.device, dtype=model.network.dtype)
    weights[choice[segment]] = 1.0
    weights.requires_grad_()
    before = model.tokens_read
    (found,) = torch.autograd.grad(relaxed_loss(model, pools, choice, segment, weights=weights, story=story), weights)
    model.tokens_read += 2 * (model.tokens_read - before)
    return [float(value) for value in found]


def relaxed_loss(
    model: TransformersModel, pools: Pools, choice: Choice, segment: int, *, weights: Tensor, story: LabelledStory
) -> Tensor:
    """The loss where one segment is a mixture of its texts; ``weights``: (texts,)."""
    segments = [model.embed(model.tokens(text)) for text in pools.prompt(choice).pieces]
    length = len(segments[segment])
    candidates = [model.embed(model.tokens(text)[:length]) for text in segment_texts(pools, segment)]
    filled = [torch.nn.functional.pad(each, (0, 0, 0, length - len(each))) for each in candidates]
    segments[segment] = torch.einsum("j,jtd->td", weights, torch.stack(filled))
    return _loss(model, segments, story)


def _loss(model: TransformersModel, segments: list[Tensor], story: LabelledStory) -> Tensor:
    frame = model.chat_frame
    user = "".join(story_pieces(split_sentences(story.story))) + f"\n{question(*story.pair)}"
    target = model.tokens(target_sentence(story.label))
    embedded = torch.cat(
        [
            model.embed(model.tokens(frame.before_system)),
            *segments,
            model.embed(model.tokens(frame.before_user)),
            model.embed(model.tokens(user)),
            model.embed(model.tokens(frame.before_answer)),
            model.embed(target),
        ]
    )
    first = len(embedded) - len(target)
    model.on_step()
    logits, _ = model.forward(embedded[None], (), 0, range(first - 1, len(embedded) - 1))
    wanted = torch.tensor(target, device=model.device)
    return torch.nn.functional.cross_entropy(wide(logits[0]), wanted)
