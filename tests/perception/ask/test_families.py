"""Every family of networks, loaded by the real code from random weights, held to transformers' own ``generate``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BlipForConditionalGeneration, BlipForQuestionAnswering

from services.common.errors import ProblemError
from services.perception.ask.answering import MAX_TOKENS, Answerer, Family
from services.perception.ask.families.blip import Blip
from services.perception.ask.families.blip2 import Blip2
from services.perception.ask.families.chat import BRIEFLY, Chat
from services.perception.ask.vision_language import CAPTION
from services.perception.hub.source import Checkpoint
from tests.perception.hub.tiny_vlm import (
    save_tiny_blip,
    save_tiny_blip2,
    save_tiny_idefics3,
    save_tiny_llava,
    tiny_qwen2_vl,
)

PICTURES = [np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8) for seed in range(3)]
QUESTION = "How old is this person in the picture?"
LABELS = ["friends", "family", "a couple"]


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint.named(str(folder), folder, param="vlm")


def load_blip(folder: Path) -> Blip:
    return Blip.load(
        checkpoint(save_tiny_blip(folder / "vqa", BlipForQuestionAnswering)),
        checkpoint(save_tiny_blip(folder / "captions", BlipForConditionalGeneration)),
    )


LOADERS: dict[str, Callable[[Path], Family]] = {
    "BLIP": load_blip,
    "BLIP-2 OPT": lambda folder: Blip2.load(checkpoint(save_tiny_blip2(folder))),
    "BLIP-2 T5": lambda folder: Blip2.load(checkpoint(save_tiny_blip2(folder, t5=True))),
    "LLaVA": lambda folder: Chat.load(checkpoint(save_tiny_llava(folder))),
    "Idefics 3": lambda folder: Chat.load(checkpoint(save_tiny_idefics3(folder))),
    "Qwen2-VL": lambda folder: Chat(*tiny_qwen2_vl(), "tiny"),
}


@pytest.fixture(scope="module", params=list(LOADERS))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return LOADERS[request.param](tmp_path_factory.mktemp("vlm"))


def generated(family: Any, picture: np.ndarray, question: str) -> str:
    """By ``generate`` of the network, which encodes the picture anew."""
    if isinstance(family, Blip):
        network = family._answerer if question else family._captioner
        inputs = family._processor(picture, question or None, return_tensors="pt")
        tokens = network.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)[0].tolist()[1:]
    elif isinstance(family, Blip2):
        prompt = f"Question: {question} Answer:" if question else ""
        inputs = family._processor(picture, prompt, return_tensors="pt")
        inputs["input_ids"] = inputs["input_ids"].long()
        read = 1 if family._language.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        tokens = family._network.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)[0].tolist()[read:]
    else:
        asked = family._before + f"{question} {BRIEFLY}" + family._after
        inputs = family._processor(text=[asked], images=[[picture]], return_tensors="pt", add_special_tokens=False)
        made = family._network.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)[0]
        tokens = made[inputs["input_ids"].shape[1] :].tolist()
    ended = next((place for place, token in enumerate(tokens) if token in family.ends), len(tokens))
    return family.text(tokens[:ended]).strip()


def test_answers_to_a_batch_are_those_of_generate_picture_by_picture(family: Family):
    rows = Answerer(family).ask(PICTURES, [QUESTION], lambda: None)
    assert [row[0].text for row in rows] == [generated(family, picture, QUESTION) for picture in PICTURES]
    assert len({row[0].text for row in rows}) > 1  # or nothing would be seen of the pictures
    assert all(0 < row[0].score <= 1 for row in rows)


def test_captions_of_blip_are_those_of_generate(tmp_path: Path):
    for name in ("BLIP", "BLIP-2 OPT"):
        family = LOADERS[name](tmp_path / name)
        (row,) = Answerer(family).ask(PICTURES[:1], [CAPTION], lambda: None)
        assert row[0].text == generated(family, PICTURES[0], "")


def test_each_picture_is_encoded_once_whatever_is_asked(family: Family):
    answerer, before = Answerer(family), family.encodings
    answerer.ask(PICTURES, [QUESTION], lambda: None)
    once = family.encodings - before
    answerer.ask(PICTURES, [QUESTION, CAPTION, "What is this person wearing?"], lambda: None)
    assert family.encodings - before == 2 * once
    assert once == len(PICTURES) * (2 if isinstance(family, Blip) else 1)


def test_what_was_asked_before_leaves_no_trace_in_an_answer(family: Family):
    answerer = Answerer(family)
    first, second = (answerer.ask(PICTURES[:1], questions, lambda: None)[0] for questions in ([QUESTION], [CAPTION]))
    assert answerer.ask(PICTURES[:1], [CAPTION, QUESTION, CAPTION], lambda: None)[0] == [*second, *first, *second]


def test_pictures_of_several_shapes_are_answered_in_their_order(family: Family):
    wide = np.ascontiguousarray(np.concatenate([PICTURES[1], PICTURES[2]], axis=1))
    answerer = Answerer(family)
    mixed = answerer.ask([PICTURES[0], wide, PICTURES[1]], [QUESTION], lambda: None)
    assert [row[0].text for row in mixed] == [
        answerer.ask([picture], [QUESTION], lambda: None)[0][0].text for picture in (PICTURES[0], wide, PICTURES[1])
    ]


def test_chosen_probabilities_are_those_of_the_words_read_one_by_one(family: Family):
    (scores,) = Answerer(family).choose(PICTURES[0], [QUESTION], LABELS, lambda: None)
    assert np.exp(scores).sum() == pytest.approx(1, abs=1e-4)
    whole = torch.tensor([_logprob(family, label) for label in LABELS])
    assert scores == pytest.approx(whole.log_softmax(0).numpy(), abs=2e-3)


@torch.no_grad()
def _logprob(family: Family, label: str) -> float:
    looked = family.look(PICTURES[:1])
    answer = family.answer(looked, QUESTION)
    logits, total = answer.first, 0.0
    tokens: Sequence[int] = [*family.tokens(label), min(family.ends)]
    for token in tokens:
        total += float(logits[0].log_softmax(-1)[token])
        logits = answer(torch.tensor([[token]]))[:, -1]
    return total


def test_work_stops_between_tokens(family: Family):
    calls = iter(range(4))

    def check() -> None:
        if next(calls, None) is None:
            raise ProblemError("canceled", "the caller is gone")

    with pytest.raises(ProblemError):
        Answerer(family).ask(PICTURES, [QUESTION], check)


def test_a_chat_model_without_a_template_is_refused_by_name(tmp_path: Path):
    folder = save_tiny_llava(tmp_path / "untold", template=None)
    with pytest.raises(ProblemError, match="untold") as caught:
        Chat.load(checkpoint(folder))
    assert caught.value.code == "model_unavailable"


def test_a_label_that_looks_like_a_control_token_is_read_as_text(tmp_path: Path):
    family = Chat.load(checkpoint(save_tiny_llava(tmp_path)))
    looked = family.look(PICTURES[:1])
    ends = family._tokenizer.convert_tokens_to_ids("<|end|>")
    assert ends not in family.tokens("<|end|>")
    assert family.answer(looked, "Is it <|end|>?").first.shape[0] == 1
