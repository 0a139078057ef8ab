"""BLIP (Li et al. 2022, arXiv 2201.12086): one network answers questions, another writes captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from services.perception.hub.network import load_network, load_processor
from services.perception.hub.source import Checkpoint
from services.perception.segment.masks import Pixels


@dataclass(frozen=True)
class BlipLooked:
    """What each network sees of N pictures, (N, patches, width)."""

    by_answerer: Tensor
    by_captioner: Tensor


class Blip:
    """Captions and answers have their own image encoders: a picture is encoded once by each."""

    def __init__(self, answerer: Any, captioner: Any, processor: Any, name: str) -> None:
        self._answerer, self._captioner, self._processor, self.name = answerer, captioner, processor, name
        self.encodings = 0
        self.ends = frozenset([int(answerer.config.text_config.sep_token_id)])

    @classmethod
    def load(cls, questions: Checkpoint, captions: Checkpoint) -> Self:
        """Raises ``model_unavailable``."""
        return cls(
            load_network(questions, "BlipForQuestionAnswering"),
            load_network(captions, "BlipForConditionalGeneration"),
            load_processor(questions, "BlipProcessor"),
            f"{questions.name}, {captions.name}",
        )

    def look(self, pictures: Sequence[Pixels]) -> BlipLooked:
        values = self._processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]
        self.encodings += 2 * len(pictures)
        seen = [
            network.vision_model(pixel_values=values.to(network.device, network.dtype)).last_hidden_state
            for network in (self._answerer, self._captioner)
        ]
        return BlipLooked(*seen)

    def answer(self, looked: BlipLooked, question: str, copies: int = 1) -> "BlipAnswer":
        if not question:
            return BlipAnswer(self._captioner, looked.by_captioner.repeat_interleave(copies, dim=0))
        ids = self._processor.tokenizer(question, return_tensors="pt")["input_ids"]
        seen = looked.by_answerer
        read = self._answerer.text_encoder(
            input_ids=ids.to(seen.device).expand(len(seen), -1), encoder_hidden_states=seen, return_dict=True
        ).last_hidden_state
        return BlipAnswer(self._answerer, read.repeat_interleave(copies, dim=0))

    def tokens(self, text: str) -> list[int]:
        return list(self._processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._processor.tokenizer.decode(tokens, skip_special_tokens=True))


class BlipAnswer:
    """Of a network that attends to ``seen`` (N, T, width)."""

    def __init__(self, network: Any, seen: Tensor) -> None:
        self._decoder, self._seen, self._past = network.text_decoder, seen, None
        start = torch.full((len(seen), 1), network.config.text_config.bos_token_id, device=seen.device)
        self.first = self(start)[:, -1]

    def __call__(self, tokens: Tensor) -> Tensor:
        read = self._decoder(
            input_ids=tokens, encoder_hidden_states=self._seen, past_key_values=self._past, use_cache=True
        )
        self._past = read.past_key_values
        logits: Tensor = read.logits
        return logits
