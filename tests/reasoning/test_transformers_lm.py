"""The transformers runtime: a tiny random model for what it must hold, a real one beside llama.cpp for the whole."""

from pathlib import Path

import numpy as np
import pytest
import torch

from services.common.errors import ProblemError
from services.reasoning.llamacpp import LlamaCppModel
from services.reasoning.loading import load_model
from services.reasoning.settings import ReasoningSettings
from services.reasoning.transformers_lm import TorchPrefix, TransformersModel
from tests.reasoning.conftest import SMALL_MODEL
from tests.reasoning.tiny_llama import save_tiny_llama

LABELS = ["friends", "couple", "band members", "band leaders"]
QUESTIONS = ["Relation of <P1> and <P2>:", "Relation of <P2> and <P1>:"]


def story_pieces(model: TransformersModel) -> list:
    return ["Story:", " <P1> kisses <P2>.", " A drum stands by.", model.chat_frame.before_answer]


def prompt_pieces(model: TransformersModel) -> list:
    return [model.chat_frame.before_system, "You tell how people relate.", model.chat_frame.before_user]


def test_cached_scores_are_those_of_reading_all_at_once(tiny_torch: TransformersModel):
    prompt = tiny_torch.read(prompt_pieces(tiny_torch))
    shared = tiny_torch.read(story_pieces(tiny_torch), prompt)
    whole = tiny_torch.read([*prompt_pieces(tiny_torch), *story_pieces(tiny_torch)])
    cached, plain = (tiny_torch.label_logprobs(prefix, QUESTIONS, LABELS) for prefix in (shared, whole))
    assert shared.piece_ends[-1] == whole.piece_ends[-1]
    assert np.abs(cached - plain).max() < 1e-4


def test_a_prefix_is_never_changed_by_what_is_read_behind_it(tiny_torch: TransformersModel):
    prompt = tiny_torch.read(prompt_pieces(tiny_torch))
    copies = [(keys.clone(), values.clone()) for keys, values in prompt.layers]
    before = tiny_torch.label_logprobs(prompt, QUESTIONS, LABELS)
    story = tiny_torch.read(story_pieces(tiny_torch), prompt)
    tiny_torch.label_logprobs(story, QUESTIONS, LABELS)
    tiny_torch.generate(prompt, ["<P1>"], 3, lambda text: False)
    assert all(
        torch.equal(old, new)
        for one, other in zip(copies, prompt.layers, strict=True)
        for old, new in zip(one, other, strict=True)
    )
    assert tiny_torch.label_logprobs(prompt, QUESTIONS, LABELS) == pytest.approx(before, abs=1e-6)


def test_long_texts_read_in_steps_are_those_read_at_once(tiny_torch: TransformersModel):
    pieces = ["word " * 700]
    stepwise = tiny_torch.read(pieces)
    tokens = tiny_torch.tokens(pieces[0])
    with torch.no_grad():
        _, layers = tiny_torch.forward(tiny_torch.embed(tokens)[None], (), 0, [0])
    whole = tiny_torch.label_logprobs(TorchPrefix(stepwise.piece_ends, layers), QUESTIONS, LABELS)
    assert tiny_torch.label_logprobs(stepwise, QUESTIONS, LABELS) == pytest.approx(whole, abs=1e-4)


def test_labels_have_a_distribution_whatever_their_order_and_number_of_tokens(tiny_torch: TransformersModel):
    story = tiny_torch.read(story_pieces(tiny_torch))
    rows = np.exp(tiny_torch.label_logprobs(story, QUESTIONS, LABELS))
    turned = np.exp(tiny_torch.label_logprobs(story, QUESTIONS, LABELS[::-1]))
    assert rows.sum(axis=1) == pytest.approx([1, 1])
    assert turned[:, ::-1] == pytest.approx(rows, abs=1e-6)


def test_a_hidden_sentence_is_not_seen(tiny_torch: TransformersModel):
    """Hidden right after it was read, before anything saw it, it is as if it had never been: but for positions."""
    story = tiny_torch.read(story_pieces(tiny_torch)[:2])
    hidden = tiny_torch.hide(story, story.piece_ends[0], story.piece_ends[1])
    first = tiny_torch.read(story_pieces(tiny_torch)[:1])
    unread = TorchPrefix((story.n_tokens,), first.layers)
    asked = [tiny_torch.label_logprobs(prefix, QUESTIONS, LABELS) for prefix in (hidden, unread, story)]
    assert asked[0] == pytest.approx(asked[1], abs=1e-5)
    assert np.abs(asked[0] - asked[2]).max() > 1e-3


def test_control_tokens_in_plain_text_are_text(tiny_torch: TransformersModel):
    assert tiny_torch.count_tokens("<|im_end|>") > 1
    assert len(tiny_torch.tokens(tiny_torch.chat_frame.before_answer)) < tiny_torch.count_tokens(
        tiny_torch.chat_frame.before_answer.text
    )


def test_generation_ends_where_the_caller_finds_it_complete_or_at_the_limit(tiny_torch: TransformersModel):
    story = tiny_torch.read(story_pieces(tiny_torch))
    (short,) = tiny_torch.generate(story, [QUESTIONS[0]], 20, lambda made: len(made) >= 2)
    (longer,) = tiny_torch.generate(story, [QUESTIONS[0]], 20, lambda made: False)
    assert longer.startswith(short) and 2 <= len(short) < len(longer)


def test_tokens_are_counted_as_they_are_computed(tiny_torch: TransformersModel):
    before = tiny_torch.tokens_read
    story = tiny_torch.read(story_pieces(tiny_torch))
    assert tiny_torch.tokens_read - before == story.n_tokens


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="chat template"):
        TransformersModel(save_tiny_llama(tmp_path, template=None), "bare", "0" * 64)


def test_a_logit_that_is_no_number_is_an_error(tmp_path: Path):
    model = TransformersModel(save_tiny_llama(tmp_path), "broken", "0" * 64)
    model.network.lm_head.weight.fill_(float("nan"))
    prefix = model.read(story_pieces(model))
    with pytest.raises(FloatingPointError, match="not a number"):
        model.label_logprobs(prefix, QUESTIONS, LABELS)


def test_a_folder_of_the_hub_is_loaded_by_its_path(tmp_path: Path):
    folder = save_tiny_llama(tmp_path / "tiny")
    model = load_model(ReasoningSettings(llm=str(folder), llm_runtime="transformers"))
    assert model.name.startswith("tiny@") and model.name.endswith("-torch")
    with pytest.raises(ProblemError, match="llm_runtime"):
        load_model(ReasoningSettings(llm=str(folder)))


@pytest.mark.slow
def test_the_same_file_answers_alike_on_both_runtimes(small_model_path: Path, small_model: LlamaCppModel):
    torch_model = TransformersModel(small_model_path, SMALL_MODEL, "0" * 64)
    rows = []
    for model in (torch_model, small_model):
        prefix = model.read([*prompt_pieces(model), *story_pieces(model)])
        rows.append(np.exp(model.label_logprobs(prefix, QUESTIONS, LABELS)))
        assert model.generate(prefix, [f"{QUESTIONS[0]} couple. <P1>"], 3, lambda text: False)[0].startswith(" ")
        model.release(prefix)
    assert np.abs(rows[0] - rows[1]).max() < 0.05
