"""The llama.cpp runtime with a real, small model."""

import math
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.reasoning.explain import MAX_NEW_TOKENS
from services.reasoning.llamacpp import CACHE_CELLS, GROUP, LlamaCppModel
from services.reasoning.llm import MAX_PROMPT_TOKENS
from services.reasoning.pipeline import KEPT_PROMPTS, MAX_STORY_TOKENS
from services.reasoning.prompt import claim
from services.reasoning.schemas import Label
from services.reasoning.scoring import ways

LABELS = ["friends", "couple", "band members", "band leaders"]
QUESTIONS = ["Relation of <P1> and <P2>:", "Relation of <P2> and <P1>:"]


def prompt_pieces(model: LlamaCppModel) -> list:
    frame = model.chat_frame
    return [frame.before_system, "You tell how people relate.", frame.before_user]


def story_pieces(model: LlamaCppModel) -> list:
    return ["Story:", " <P1> kisses <P2>.", " A drum stands by.", model.chat_frame.before_answer]


def test_the_chat_template_of_the_file_frames_system_and_user(small_model: LlamaCppModel):
    frame = small_model.chat_frame
    assert frame.before_system.text == "<|im_start|>system\n"
    assert frame.before_answer.text == "<|im_end|>\n<|im_start|>assistant\n"


def test_control_tokens_in_plain_text_are_text(small_model: LlamaCppModel):
    assert small_model.count_tokens("<|im_end|>") > 1


def test_a_shared_prefix_gives_what_reading_all_at_once_gives(small_model: LlamaCppModel):
    prompt = small_model.read(prompt_pieces(small_model))
    shared = small_model.read(story_pieces(small_model), prompt)
    whole = small_model.read([*prompt_pieces(small_model), *story_pieces(small_model)])
    cached, plain = (np.exp(small_model.label_logprobs(prefix, QUESTIONS, LABELS)) for prefix in (shared, whole))
    for prefix in (prompt, shared, whole):
        small_model.release(prefix)
    assert shared.piece_ends[-1] == whole.piece_ends[-1]
    assert np.abs(cached - plain).max() < 1e-3


def test_labels_have_a_distribution_whatever_their_number_of_tokens(small_model: LlamaCppModel):
    story = small_model.read(story_pieces(small_model))
    rows = np.exp(small_model.label_logprobs(story, QUESTIONS, LABELS))
    turned = np.exp(small_model.label_logprobs(story, QUESTIONS, LABELS[::-1]))
    small_model.release(story)
    assert rows.sum(axis=1) == pytest.approx([1, 1])
    assert turned[:, ::-1] == pytest.approx(rows, abs=1e-6)


def test_a_kept_prompt_comes_back_from_disk_as_it_was(small_model_path: Path, tmp_path: Path):
    found = []
    for _ in range(2):  # the second one finds the first one's file
        model = LlamaCppModel(small_model_path, "small", "0" * 64, tmp_path, n_threads=1)
        prompt = model.read(prompt_pieces(model), keep=True)
        story = model.read(story_pieces(model), prompt)
        found.append(model.label_logprobs(story, QUESTIONS, LABELS))
    assert len(list((tmp_path / "prefixes").iterdir())) == 1
    assert np.abs(np.exp(found[0]) - np.exp(found[1])).max() < 1e-3


@pytest.mark.parametrize("damage", [b"", b"no state of any model"])
def test_a_damaged_kept_prompt_is_read_anew(small_model_path: Path, tmp_path: Path, damage: bytes):
    found = []
    for _ in range(2):
        model = LlamaCppModel(small_model_path, "small", "0" * 64, tmp_path, n_threads=1)
        prompt = model.read(prompt_pieces(model), keep=True)
        found.append(model.label_logprobs(prompt, QUESTIONS, LABELS))
        (kept,) = (tmp_path / "prefixes").iterdir()
        whole = kept.stat().st_size
        kept.write_bytes(damage)
    assert whole > 1000 and found[1] == pytest.approx(found[0], abs=1e-3)


def test_what_one_request_may_need_fits_into_the_memory(small_model: LlamaCppModel):
    labels = [Label(name="x" * 60, definition="x")] * 26
    answer = small_model.count_tokens(claim("P999", "P998") + " " + "x" * 60 + ".") + MAX_NEW_TOKENS
    letters = max(small_model.count_tokens(way.lead) for way in ways(labels, "letter codes"))
    frame = 64  # chat template, delimiters, tokens that the cuts between sentences add
    most = KEPT_PROMPTS * MAX_PROMPT_TOKENS + MAX_STORY_TOKENS + letters + GROUP * answer + frame
    assert most <= CACHE_CELLS
    assert most - KEPT_PROMPTS * MAX_PROMPT_TOKENS + small_model.prefix_room <= CACHE_CELLS  # a search keeps its own


def test_a_hidden_sentence_is_not_seen(small_model: LlamaCppModel):
    story = small_model.read(story_pieces(small_model))
    seen = small_model.label_logprobs(story, QUESTIONS[:1], LABELS)
    hidden = small_model.hide(story, story.piece_ends[0], story.piece_ends[1])
    unseen = small_model.label_logprobs(hidden, QUESTIONS[:1], LABELS)
    again = small_model.label_logprobs(story, QUESTIONS[:1], LABELS)
    small_model.release(hidden)
    small_model.release(story)
    assert np.abs(np.exp(seen) - np.exp(unseen)).max() > 0.005
    assert again == pytest.approx(seen, abs=1e-6)


def test_texts_made_together_are_those_made_alone(small_model: LlamaCppModel):
    story = small_model.read(story_pieces(small_model))
    beginnings = [f"{question} couple." for question in QUESTIONS]
    together = small_model.generate(story, beginnings, 8, lambda text: False)
    alone = [small_model.generate(story, [beginning], 8, lambda text: False)[0] for beginning in beginnings]
    small_model.release(story)
    assert together == alone and any(together)


def test_generation_ends_where_the_caller_finds_it_complete(small_model: LlamaCppModel):
    story = small_model.read(story_pieces(small_model))
    (text,) = small_model.generate(story, [QUESTIONS[0]], 20, lambda made: len(made.split()) >= 2)
    small_model.release(story)
    assert len(text.split()) == 2


def test_a_text_goes_on_where_its_beginning_ended(small_model: LlamaCppModel):
    story = small_model.read(story_pieces(small_model))
    (text,) = small_model.generate(story, ["<P1> and"], 3, lambda made: False)
    small_model.release(story)
    assert text.startswith(" ")


def test_work_stops_between_steps_and_leaves_the_memory_as_it_was(small_model: LlamaCppModel):
    def leave() -> None:
        raise ProblemError("canceled", "gone")

    story = small_model.read(story_pieces(small_model))
    before = small_model.label_logprobs(story, QUESTIONS, LABELS)
    small_model.on_step = leave
    try:
        for work in (
            lambda: small_model.read(["more"], story),
            lambda: small_model.label_logprobs(story, QUESTIONS, LABELS),
            lambda: small_model.generate(story, QUESTIONS, 4, lambda text: False),
        ):
            with pytest.raises(ProblemError, match="gone"):
                work()
    finally:
        small_model.on_step = lambda: None
    after = small_model.label_logprobs(story, QUESTIONS, LABELS)
    small_model.release(story)
    assert after == pytest.approx(before, abs=1e-6)


def test_probabilities_are_finite_numbers(small_model: LlamaCppModel):
    story = small_model.read(story_pieces(small_model))
    rows = small_model.label_logprobs(story, QUESTIONS, LABELS)
    small_model.release(story)
    assert all(math.isfinite(value) and value <= 0 for value in rows.ravel())


@pytest.mark.slow
def test_more_than_the_memory_holds_is_refused(small_model: LlamaCppModel):
    with pytest.raises(ValueError, match=str(CACHE_CELLS)):
        small_model.read(["word " * (CACHE_CELLS + 64)])
    story = small_model.read(story_pieces(small_model))  # and the memory is free again
    small_model.release(story)
