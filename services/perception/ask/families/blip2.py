"""BLIP-2 (Li et al. 2023, arXiv 2301.12597): what 32 queries see is put before the question to a language model."""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from services.perception.hub.network import load_network, load_processor
from services.perception.hub.source import Checkpoint
from services.perception.segment.masks import Pixels


class Blip2:
    """With a decoder (OPT) or an encoder and decoder (Flan-T5) as its language model."""

    def __init__(self, network: Any, processor: Any, name: str) -> None:
        self._network, self._processor, self.name = network, processor, name
        self._language: Any = network.language_model
        self.encodings = 0
        told = self._language.generation_config.eos_token_id
        self.ends = frozenset([told] if isinstance(told, int) else told)

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        """Raises ``model_unavailable``."""
        network = load_network(checkpoint, "Blip2ForConditionalGeneration")
        return cls(network, load_processor(checkpoint, "Blip2Processor"), checkpoint.name)

    def look(self, pictures: Sequence[Pixels]) -> Tensor:
        """(N, 32, width of the language model)."""
        values = self._processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]
        self.encodings += len(pictures)
        seen: Tensor = self._network.get_image_features(
            values.to(self._network.device, self._network.dtype), return_dict=True
        ).pooler_output
        return seen

    def answer(self, looked: Tensor, question: str, copies: int = 1) -> "DecoderAnswer | EncoderDecoderAnswer":
        prompt = f"Question: {question} Answer:" if question else ""
        ids = self._processor.tokenizer(prompt, return_tensors="pt")["input_ids"].to(looked.device)
        words = self._language.get_input_embeddings()(ids.long()).expand(len(looked), -1, -1)
        given = torch.cat([looked.to(words.dtype), words], dim=1).repeat_interleave(copies, dim=0)
        kind = EncoderDecoderAnswer if self._language.config.is_encoder_decoder else DecoderAnswer
        return kind(self._language, given)

    def tokens(self, text: str) -> list[int]:
        return list(self._processor.tokenizer(f" {text}", add_special_tokens=False)["input_ids"])

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._processor.tokenizer.decode(tokens, skip_special_tokens=True))


class DecoderAnswer:
    """Behind embeddings ``given`` (N, T, width)."""

    def __init__(self, language: Any, given: Tensor) -> None:
        self._language = language
        read = language(inputs_embeds=given, use_cache=True)
        self._past, self.first = read.past_key_values, read.logits[:, -1]

    def __call__(self, tokens: Tensor) -> Tensor:
        read = self._language(input_ids=tokens, past_key_values=self._past, use_cache=True)
        self._past = read.past_key_values
        logits: Tensor = read.logits
        return logits


class EncoderDecoderAnswer:
    """The same for a language model that reads ``given`` first and then writes."""

    def __init__(self, language: Any, given: Tensor) -> None:
        self._language = language
        self._read = language.get_encoder()(inputs_embeds=given)
        self._past: Any = None
        start = torch.full((len(given), 1), language.config.decoder_start_token_id, device=given.device)
        self.first = self(start)[:, -1]

    def __call__(self, tokens: Tensor) -> Tensor:
        step = self._language(
            encoder_outputs=self._read, decoder_input_ids=tokens, past_key_values=self._past, use_cache=True
        )
        self._past = step.past_key_values
        logits: Tensor = step.logits
        return logits
