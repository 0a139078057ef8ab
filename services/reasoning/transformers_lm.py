"""A causal language model in PyTorch by way of transformers: a hub folder or a GGUF file, on a CPU or on GPUs.

It takes more memory than llama.cpp, but its arithmetic is open: prompt search takes gradients through it.
A prefix is the keys and values of each layer. They are never written to: the cache classes of transformers grow in
place, so each call wraps the same tensors in a cache of its own, and what is read goes into new tensors.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging

from services.reasoning.label_trie import LABEL_END, LabelTrie
from services.reasoning.llm import ChatFrame, Control, LogProbs

_STEP_TOKENS: Final = 256
"""Tokens of one call of the network, so that work can stop between two."""
GROUP: Final = 8
"""Questions scored in one batch."""

Layers = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of each layer, each (1, key heads, tokens, head size)."""


@dataclass(frozen=True)
class TorchPrefix:
    """What was read. ``layers`` may hold fewer tokens than were read, where some are hidden."""

    piece_ends: tuple[int, ...]
    layers: Layers

    @property
    def n_tokens(self) -> int:
        return self.piece_ends[-1]


class TransformersModel:
    """See ``services.reasoning.llm.LanguageModel``."""

    def __init__(self, path: Path, name: str, sha256: str) -> None:
        """``path``: a GGUF file, or a folder as ``save_pretrained`` writes it; ``sha256`` identifies the weights."""
        logging.disable_progress_bar()
        cuda = torch.cuda.is_available()
        options: dict[str, Any] = {"dtype": torch.bfloat16 if cuda else torch.float32}
        if cuda:
            options["device_map"] = "auto"  # over all GPUs that it needs
        source: dict[str, Any] = {}
        folder = path
        if path.suffix == ".gguf":
            folder, source = path.parent, {"gguf_file": path.name}
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **source)
        self.network: Any = AutoModelForCausalLM.from_pretrained(folder, **source, **options).eval()
        self.network.requires_grad_(False)
        self.device: torch.device = self.network.device
        self.on_step: Callable[[], None] = lambda: None
        self.tokens_read = 0
        self.name = f"{name}@{sha256[:12]}-torch"
        self.chat_frame = self._chat_frame()

    @property
    def label_method(self) -> None:
        """Exactly, as the port says."""

    @property
    def prefix_room(self) -> int:
        """About a gigabyte for a model of a billion weights; a step's rivals and the current prompt fit."""
        return 8192

    def _chat_frame(self) -> ChatFrame:
        """Cut the rendered template at two marks. Raises ``ValueError`` where the model has no chat template."""
        if not self._tokenizer.chat_template:
            raise ValueError(f"model {self.name} has no chat template")
        messages = [{"role": "system", "content": "\x01"}, {"role": "user", "content": "\x02"}]
        rendered: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        before_system, rest = rendered.split("\x01")
        before_user, before_answer = rest.split("\x02")
        return ChatFrame(Control(before_system), Control(before_user), Control(before_answer))

    # -- text and tokens -------------------------------------------------------------------------------------------

    def tokens(self, piece: str | Control) -> list[int]:
        """Token ids of one piece; plain text never holds control tokens."""
        control = isinstance(piece, Control)
        text = piece.text if isinstance(piece, Control) else piece
        ids = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not control) if text else []
        return list(ids)

    def count_tokens(self, text: str) -> int:
        return len(self.tokens(text))

    def embed(self, tokens: Sequence[int]) -> Tensor:
        """Input embeddings, shape (tokens, width)."""
        ids = torch.tensor(tokens, dtype=torch.long, device=self.device)
        found: Tensor = self.network.get_input_embeddings()(ids)
        return found

    # -- prefixes --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def read(
        self, pieces: Sequence[str | Control], after: TorchPrefix | None = None, *, keep: bool = False
    ) -> TorchPrefix:
        """As the port says; ``keep`` has no effect, reading again is quick beside loading the model."""
        lists = [self.tokens(piece) for piece in pieces]
        start = after.n_tokens if after else 0
        ends = tuple(start + int(end) for end in np.cumsum([len(tokens) for tokens in lists]))
        tokens = [token for piece in lists for token in piece]
        layers = after.layers if after else ()
        for first in range(0, len(tokens), _STEP_TOKENS):
            self.on_step()
            step = tokens[first : first + _STEP_TOKENS]
            _, layers = self.forward(self.embed(step)[None], layers, start + first, [0])
        return TorchPrefix(ends, layers)

    def hide(self, prefix: TorchPrefix, begin: int, end: int) -> TorchPrefix:
        """Only of a prefix in which nothing is hidden yet: there, positions are places in the cache."""
        shown = [index for index in range(prefix.n_tokens) if not begin <= index < end]
        layers = tuple((keys[:, :, shown], values[:, :, shown]) for keys, values in prefix.layers)
        return TorchPrefix(prefix.piece_ends, layers)

    def release(self, prefix: TorchPrefix) -> None:
        """Tensors go when nobody holds them."""

    # -- answers ---------------------------------------------------------------------------------------------------

    def forward(self, embedded: Tensor, layers: Layers, start: int, wanted: Sequence[int]) -> tuple[Tensor, Layers]:
        """One call of the network on ``embedded``, shape (rows, tokens, width), from position ``start``.

        Rows that are shorter are filled up at their end, which no earlier token sees. Answers the logits at the
        ``wanted`` places, shape (rows, wanted, vocabulary), and keys and values of all that was read.
        """
        rows, length = embedded.shape[:2]
        self.tokens_read += rows * length
        past = DynamicCache(
            [(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in layers]
        )
        positions = torch.arange(start, start + length, device=self.device).expand(rows, -1)
        answer = self.network(
            inputs_embeds=embedded,
            position_ids=positions,
            past_key_values=past,
            use_cache=True,
            logits_to_keep=torch.tensor(list(wanted), device=self.device),
        )
        return answer.logits, tuple((layer.keys, layer.values) for layer in answer.past_key_values.layers)

    @torch.no_grad()
    def label_logprobs(self, prefix: TorchPrefix, questions: Sequence[str], labels: Sequence[str]) -> LogProbs:
        rows = []
        for first in range(0, len(questions), GROUP):
            self.on_step()
            rows += self.label_scores(prefix, questions[first : first + GROUP], labels)
        found = torch.stack(rows).double().cpu().numpy()
        if not np.isfinite(found).all():
            raise FloatingPointError("the language model gave a logit that is not a number")
        return np.asarray(found)

    def label_scores(self, prefix: TorchPrefix, questions: Sequence[str], labels: Sequence[str]) -> list[Tensor]:
        """As ``label_logprobs``, one differentiable row (labels,) for each question."""
        trie = LabelTrie.of([tuple(self.tokens(f" {label}{LABEL_END}")) for label in labels])
        asked = [self.tokens(question) for question in questions]
        texts = [(tokens, chain) for tokens in asked for chain in trie.chains]
        longest = max(len(tokens) + len(chain) for tokens, chain in texts)
        filled = [[*tokens, *chain] + [0] * (longest - len(tokens) - len(chain)) for tokens, chain in texts]
        shortest = min(len(tokens) for tokens in asked)
        wanted = range(shortest - 1, longest)
        embedded = self.embed([token for row in filled for token in row]).view(len(filled), longest, -1)
        logits, _ = self.forward(embedded, prefix.layers, prefix.n_tokens, wanted)
        found: list[dict[tuple[int, ...], Tensor]] = [{} for _ in asked]
        for number, (tokens, chain) in enumerate(texts):
            for depth in range(len(chain) + 1):
                if chain[:depth] in trie.branches:
                    at = logits[number, len(tokens) - shortest + depth]
                    found[number // len(trie.chains)][chain[:depth]] = at
        return [_trie_scores(trie, row) for row in found]

    @torch.no_grad()
    def generate(
        self, prefix: TorchPrefix, beginnings: Sequence[str], max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> list[str]:
        return [self._generate_one(prefix, beginning, max_new_tokens, is_complete) for beginning in beginnings]

    def _generate_one(
        self, prefix: TorchPrefix, beginning: str, max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> str:
        begun, made, text = self.tokens(beginning), list[int](), ""
        step, layers, position = begun, prefix.layers, prefix.n_tokens
        ends = self.network.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ()) | {self._tokenizer.eos_token_id}
        before: str = self._tokenizer.decode(begun)
        while len(made) < max_new_tokens and not (made and is_complete(text)):
            self.on_step()
            logits, layers = self.forward(self.embed(step)[None], layers, position, [len(step) - 1])
            position += len(step)
            token = int(logits[0, 0].argmax())
            if token in ends:
                break
            made.append(token)
            step = [token]
            text = self._tokenizer.decode([*begun, *made])[len(before) :]
        return text


def _trie_scores(trie: LabelTrie, logits: dict[tuple[int, ...], Tensor]) -> Tensor:
    """``LabelTrie.score`` in torch, so that gradients pass."""
    step: dict[tuple[tuple[int, ...], int], Tensor] = {}
    for path, tokens in trie.branches.items():
        scores = wide(logits[path][list(tokens)]).log_softmax(-1)
        step |= {(path, token): scores[index] for index, token in enumerate(tokens)}
    rows = [[step[place] for place in trie.choices(label)] for label in trie.labels]
    return torch.stack([torch.stack(row).sum() for row in rows])


def wide(values: Tensor) -> Tensor:
    """In at least single precision: half is too coarse for log-probabilities."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def folder_sha256(path: Path) -> str:
    """Identifies a folder of weights by its files' names and sizes and the bytes of its configuration."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        if file.suffix == ".json":
            digest.update(file.read_bytes())
    return digest.hexdigest()
