"""llama.cpp through the ``cyllama`` wheel: a GGUF model on the CPU, its prefixes kept in the key-value cache.

A prefix is a sequence of llama.cpp's unified cache. Copies of a sequence share their cells, so a prompt is computed
once for all stories, a story once for all pairs, and a kept prompt once for all starts of the process.
"""

import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from cyllama.llama import llama_cpp

from services.reasoning.label_trie import LABEL_END, LabelTrie
from services.reasoning.llm import MAX_PROMPT_TOKENS, ChatFrame, Control, LogProbs

CACHE_CELLS: Final = 6144
"""Tokens of all sequences together: the kept prompts, a story, a list of labels, a group of questions and answers."""
_STEP_TOKENS: Final = 64
"""Tokens of one model call: large enough for matrix products, small enough to stop within about two seconds."""
_MAX_SEQUENCES: Final = 32
GROUP: Final = 8
"""Questions that are in the cache at a time."""


class _Model(llama_cpp.LlamaModel):  # type: ignore[misc]  # the extension module has no types
    """cyllama 0.2.18 asks the model for ``n_vocab`` when it hands out logits, but only the vocabulary knows it."""

    @property
    def n_vocab(self) -> int:
        return int(self.get_vocab().n_vocab)


@dataclass(frozen=True)
class LlamaPrefix:
    """A sequence of the cache."""

    sequence: int
    piece_ends: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        return self.piece_ends[-1]


@dataclass
class _Text:
    """Tokens to add to a sequence; log-probabilities are wanted after those at the ``wanted`` indices."""

    sequence: int
    position: int
    tokens: list[int]
    wanted: set[int]


class LlamaCppModel:
    """A GGUF model; see ``services.reasoning.llm.LanguageModel``."""

    def __init__(self, path: Path, name: str, sha256: str, cache_dir: Path, n_threads: int) -> None:
        """``name`` and ``sha256`` identify the file; kept prefixes are written below ``cache_dir``."""
        llama_cpp.disable_logging()
        llama_cpp.ggml_backend_load_all()
        model_params = llama_cpp.LlamaModelParams()
        model_params.n_gpu_layers = 0
        self._model: Any = _Model(str(path), model_params)
        self._vocabulary: Any = self._model.get_vocab()
        self._context: Any = llama_cpp.LlamaContext(self._model, self._context_params(n_threads))
        self._batch: Any = llama_cpp.LlamaBatch(n_tokens=_STEP_TOKENS, embd=0, n_seq_max=1)
        self._free = list(range(_MAX_SEQUENCES))
        self._sha256 = sha256
        self._cache_dir = cache_dir
        self.on_step: Callable[[], None] = lambda: None
        self.tokens_read = 0
        self.name = f"{name}@{sha256[:12]}"
        self.chat_frame = self._chat_frame()

    @staticmethod
    def _context_params(n_threads: int) -> Any:
        params = llama_cpp.LlamaContextParams()
        params.n_ctx = CACHE_CELLS
        params.n_batch = params.n_ubatch = _STEP_TOKENS
        params.n_seq_max = _MAX_SEQUENCES
        params.kv_unified = True  # copies of a sequence share cells
        params.n_threads = params.n_threads_batch = n_threads
        return params

    @property
    def label_method(self) -> None:
        """Exactly, as the port says."""

    @property
    def prefix_room(self) -> int:
        return 2 * MAX_PROMPT_TOKENS

    def _chat_frame(self) -> ChatFrame:
        """Cut the rendered template at two marks. Raises ``ValueError`` where the model has no chat template."""
        template = self._model.get_default_chat_template()
        if not template:
            raise ValueError(f"model {self.name} has no chat template")
        messages = [llama_cpp.LlamaChatMessage("system", "\x01"), llama_cpp.LlamaChatMessage("user", "\x02")]
        rendered: str = self._model.chat_apply_template(template, messages, True)
        before_system, rest = rendered.split("\x01")
        before_user, before_answer = rest.split("\x02")
        return ChatFrame(Control(before_system), Control(before_user), Control(before_answer))

    # -- text and tokens -------------------------------------------------------------------------------------------

    def _tokens(self, piece: str | Control) -> list[int]:
        control = isinstance(piece, Control)
        text = piece.text if isinstance(piece, Control) else piece
        return list(self._vocabulary.tokenize(text, add_special=False, parse_special=control)) if text else []

    def count_tokens(self, text: str) -> int:
        return len(self._tokens(text))

    # -- prefixes --------------------------------------------------------------------------------------------------

    def read(
        self, pieces: Sequence[str | Control], after: LlamaPrefix | None = None, *, keep: bool = False
    ) -> LlamaPrefix:
        if keep and after is not None:
            raise ValueError("only a prefix from the beginning of the prompt can be kept")
        token_lists = [self._tokens(piece) for piece in pieces]
        start = after.n_tokens if after else 0
        ends = tuple(start + int(end) for end in np.cumsum([len(tokens) for tokens in token_lists]))
        tokens = [token for piece in token_lists for token in piece]
        prefix = LlamaPrefix(self._free.pop(), ends)
        try:
            if after:
                self._context.memory_seq_cp(after.sequence, prefix.sequence, -1, -1)
            if keep:
                self._read_kept(prefix.sequence, tokens)
            else:
                self._feed([_Text(prefix.sequence, start, tokens, set())])
        except BaseException:
            self.release(prefix)
            raise
        return prefix

    def _read_kept(self, sequence: int, tokens: list[int]) -> None:
        """Load the sequence's state from the cache folder, or compute it and write it there."""
        runtime = importlib.metadata.version("cyllama")
        key = hashlib.sha256(f"{self._sha256} {runtime} {tokens}".encode()).hexdigest()
        path = self._cache_dir / "prefixes" / f"{key[:32]}.kv"
        # A damaged file is made again.
        with suppress(FileNotFoundError, ValueError):
            self._context.set_state_seq_data(path.read_bytes(), sequence)
            return
        self._context.memory_seq_rm(sequence, -1, -1)
        self._feed([_Text(sequence, 0, tokens, set())])
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as scratch:
                scratch.write(self._context.get_state_seq_data(sequence))
            Path(name).replace(path)  # atomic: another process sees the whole file or none
        finally:
            Path(name).unlink(missing_ok=True)

    def hide(self, prefix: LlamaPrefix, begin: int, end: int) -> LlamaPrefix:
        copy = LlamaPrefix(self._free.pop(), prefix.piece_ends)
        self._context.memory_seq_cp(prefix.sequence, copy.sequence, -1, -1)
        self._context.memory_seq_rm(copy.sequence, begin, end)
        return copy

    def release(self, prefix: LlamaPrefix) -> None:
        self._context.memory_seq_rm(prefix.sequence, -1, -1)
        self._free.append(prefix.sequence)

    @contextmanager
    def _copies(self, originals: Sequence[int]) -> Iterator[list[int]]:
        """Sequences that begin as the ``originals``, one each, forgotten at the end."""
        sequences = [self._free.pop() for _ in originals]
        try:
            for original, sequence in zip(originals, sequences, strict=True):
                self._context.memory_seq_cp(original, sequence, -1, -1)
            yield sequences
        finally:
            for sequence in sequences:
                self._context.memory_seq_rm(sequence, -1, -1)
                self._free.append(sequence)

    # -- answers ---------------------------------------------------------------------------------------------------

    def label_logprobs(self, prefix: LlamaPrefix, questions: Sequence[str], labels: Sequence[str]) -> LogProbs:
        trie = LabelTrie.of([tuple(self._tokens(f" {label}{LABEL_END}")) for label in labels])
        rows = [
            row
            for first in range(0, len(questions), GROUP)
            for row in self._label_group(prefix, questions[first : first + GROUP], trie)
        ]
        return np.array(rows)

    def _label_group(self, prefix: LlamaPrefix, questions: Sequence[str], trie: LabelTrie) -> list[LogProbs]:
        asked = [self._tokens(question) for question in questions]
        with self._copies([prefix.sequence] * len(asked)) as sequences:
            texts = [
                _Text(sequence, prefix.n_tokens, tokens, {len(tokens) - 1})
                for sequence, tokens in zip(sequences, asked, strict=True)
            ]
            found = self._feed(texts)
            rows: list[dict[tuple[int, ...], LogProbs]] = [
                {(): logprobs[len(text.tokens) - 1]} for text, logprobs in zip(texts, found, strict=True)
            ]
            for chain in filter(None, trie.chains):
                with self._copies(sequences) as begun:
                    wanted = set(range(len(chain)))
                    found = self._feed(
                        [
                            _Text(sequence, text.position + len(text.tokens), list(chain), wanted)
                            for sequence, text in zip(begun, texts, strict=True)
                        ]
                    )
                for row, logprobs in zip(rows, found, strict=True):
                    row |= {chain[: depth + 1]: logprobs[depth] for depth in wanted}
        return [trie.score(row) for row in rows]

    def generate(
        self, prefix: LlamaPrefix, beginnings: Sequence[str], max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> list[str]:
        made = []
        for first in range(0, len(beginnings), GROUP):
            made += self._generate_group(prefix, beginnings[first : first + GROUP], max_new_tokens, is_complete)
        return made

    def _generate_group(
        self, prefix: LlamaPrefix, beginnings: Sequence[str], max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> list[str]:
        begun = [self._tokens(beginning) for beginning in beginnings]
        made: list[list[int]] = [[] for _ in beginnings]
        texts = [""] * len(beginnings)
        with self._copies([prefix.sequence] * len(beginnings)) as sequences:
            pending = {
                index: _Text(sequence, prefix.n_tokens, tokens, {len(tokens) - 1})
                for index, (sequence, tokens) in enumerate(zip(sequences, begun, strict=True))
            }
            while pending:
                found = self._feed(list(pending.values()))
                following: dict[int, _Text] = {}
                for (index, text), logprobs in zip(pending.items(), found, strict=True):
                    token = int(np.argmax(logprobs[len(text.tokens) - 1]))
                    if self._vocabulary.is_eog(token):
                        continue
                    made[index].append(token)
                    texts[index] = self._text_after(begun[index], made[index])
                    if len(made[index]) < max_new_tokens and not is_complete(texts[index]):
                        following[index] = _Text(text.sequence, text.position + len(text.tokens), [token], {0})
                pending = following
        return texts

    def _text_after(self, begun: list[int], made: list[int]) -> str:
        """``made`` as text, with the space before it, which is lost where tokens are turned into text by themselves."""
        before: str = self._vocabulary.detokenize(begun)
        whole: str = self._vocabulary.detokenize([*begun, *made])
        return whole[len(before) :]

    def _feed(self, texts: Sequence[_Text]) -> list[dict[int, LogProbs]]:
        """Compute the texts, several in one call; per text: wanted index -> log-probabilities (vocabulary,)."""
        found: list[dict[int, LogProbs]] = [{} for _ in texts]
        flat = [
            (number, index, text.tokens[index], text)
            for number, text in enumerate(texts)
            for index in range(len(text.tokens))
        ]
        for first in range(0, len(flat), _STEP_TOKENS):
            self.on_step()
            step = flat[first : first + _STEP_TOKENS]
            self.tokens_read += len(step)
            self._batch.clear()
            for _, index, token, text in step:
                self._batch.add(token, text.position + index, [text.sequence], index in text.wanted)
            try:
                self._context.decode(self._batch)
            except ValueError as error:
                raise ValueError(f"the text does not fit into the model's {CACHE_CELLS} tokens") from error
            for row, (number, index, _, text) in enumerate(step):
                if index in text.wanted:
                    found[number][index] = _log_softmax(self._context.get_logits_ith(row))
        return found


def _log_softmax(logits: Sequence[float]) -> LogProbs:
    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise FloatingPointError("the language model gave a logit that is not a number")
    values -= values.max()
    return np.asarray(values - np.log(np.exp(values).sum()))
