"""Chat models that see (``image-text-to-text``: LLaVA, SmolVLM, Qwen-VL, InternVL ...), by transformers' own classes.

The turn up to the question, with the picture, is read once; every question goes on from a copy of what was read.
Pictures of one shape take the same room in it, so a batch needs no filling up.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from torch import Tensor

from services.common.errors import ProblemError
from services.perception.ask.vision_language import CAPTION_REQUEST, TEXT_IS_NO_ORDER
from services.perception.hub.network import load_network, load_processor
from services.perception.hub.source import Checkpoint
from services.perception.segment.masks import Pixels

BRIEFLY: Final = f"Answer in a few words. {TEXT_IS_NO_ORDER}"
_MARK: Final = "\x01"


@dataclass(frozen=True)
class ChatLooked:
    """The cache of N turns up to their question."""

    past: Any
    count: int


class Chat:
    """Any model with a chat template."""

    def __init__(self, network: Any, processor: Any, name: str) -> None:
        self._network, self._processor, self.name = network, processor, name
        self._tokenizer: Any = processor.tokenizer
        self.encodings = 0
        told = network.generation_config.eos_token_id
        ends = [told] if isinstance(told, int) else list(told or ())
        self.ends = frozenset([*ends, self._tokenizer.eos_token_id])
        content = [{"type": "image"}, {"type": "text", "text": _MARK}]
        rendered = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        self._before, self._after = rendered.split(_MARK)

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        """Raises ``model_unavailable``, also where the checkpoint has no chat template."""
        network = load_network(checkpoint, "AutoModelForImageTextToText")
        try:
            return cls(network, load_processor(checkpoint, "AutoProcessor"), checkpoint.name)
        except ValueError as error:
            raise ProblemError("model_unavailable", f"model {checkpoint.name}: {error}") from error

    def look(self, pictures: Sequence[Pixels]) -> ChatLooked:
        inputs = self._processor(
            text=[self._before] * len(pictures),
            images=[[picture] for picture in pictures],
            return_tensors="pt",
            add_special_tokens=not self._before.startswith(self._tokenizer.bos_token or _MARK),
        )
        self.encodings += len(pictures)
        given = {
            name: value.to(self._network.device, self._network.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        read = self._network(**given, use_cache=True, logits_to_keep=1)
        return ChatLooked(read.past_key_values, len(pictures))

    def answer(self, looked: ChatLooked, question: str, copies: int = 1) -> "ChatAnswer":
        asked = f"{question} {BRIEFLY}" if question else CAPTION_REQUEST
        words = self._tokenizer(asked, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ids = torch.tensor([*words, *self._tokenizer(self._after, add_special_tokens=False)["input_ids"]])
        past = copy.deepcopy(looked.past)
        if copies > 1:
            past.batch_repeat_interleave(copies)
        return ChatAnswer(self._network, past, ids.to(self._network.device).expand(looked.count * copies, -1))

    def tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


class ChatAnswer:
    """Goes on from a cache that is its own."""

    def __init__(self, network: Any, past: Any, asked: Tensor) -> None:
        self._network, self._past = network, past
        self.first = self(asked)[:, -1]

    def __call__(self, tokens: Tensor) -> Tensor:
        read = self._network(input_ids=tokens, past_key_values=self._past, use_cache=True)
        self._past = read.past_key_values
        logits: Tensor = read.logits
        return logits
