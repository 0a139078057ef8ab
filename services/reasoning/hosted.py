"""A language model behind any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama or a hosted one.

What such servers can do differs, so it is found out at the start (``probe``). With log-probabilities, labels are scored
as letter codes by the first token of the answer, with the labels listed forwards and backwards. Without, answers are
sampled and counted. Either is told in every answer, as ``label_method``.
"""

import math
import random
import re
import string
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import httpx
import numpy as np

from services.common.errors import ProblemError
from services.reasoning.llm import ChatFrame, Control, LogProbs

SAMPLES: Final = 8
"""Answers sampled for a question where a server gives no log-probabilities."""
_MOST_LOGPROBS: Final = 20
"""The API's own limit; vLLM's default, too."""
_CHARACTERS_PER_TOKEN: Final = 3
"""Fewer than any tokenizer needs for English, so limits in tokens are kept."""
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 20.0
_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_REFUSED: Final = frozenset({400, 404, 422, 501})
"""How servers say that they do not know an option."""
_ROUNDING: Final = 0.02
_SYSTEM, _USER, _ANSWER = Control("system"), Control("user"), Control("answer")

T = TypeVar("T")
Message = dict[str, str]


@dataclass(frozen=True)
class HostedPrefix:
    """Text that will be sent; nothing is held by the server, though most remember what begins alike."""

    pieces: tuple[str | Control, ...]
    piece_ends: tuple[int, ...]
    """In pieces: the server's tokens are not known here."""

    def messages(self, asked: str) -> list[Message]:
        """As chat messages, with ``asked`` at the end of the last turn before the answer."""
        found: list[Message] = []
        for piece in self.pieces:
            if piece in (_SYSTEM, _USER):
                found.append({"role": str(piece.text if isinstance(piece, Control) else piece), "content": ""})
            elif isinstance(piece, str):
                found[-1]["content"] += piece
        found[-1]["content"] += f"\n\n{asked}"
        return found


@dataclass(frozen=True)
class Capabilities:
    """``logprobs``: how many a server tells for a token, 0 for none; ``structured``: keeps to a JSON schema."""

    logprobs: int
    structured: bool


class HostedModel:
    """See ``services.reasoning.llm.LanguageModel``. Several requests go out at once, as many as ``concurrency``."""

    def __init__(
        self,
        address: str,
        *,
        model: str = "",
        key: str = "",
        timeout_s: float = 60.0,
        concurrency: int = 4,
        retries: int = 3,
    ) -> None:
        """``address``: up to and with ``/v1``; ``model``: the server's only or first one if left out.

        Raises ``model_unavailable`` where there is no such server or model, or it cannot chat.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=address.rstrip("/"), headers=headers, timeout=timeout_s)
        self._timeout_s, self._retries = timeout_s, retries
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="llm")
        self.on_step: Callable[[], None] = lambda: None
        self.tokens_read = 0
        self.chat_frame = ChatFrame(_SYSTEM, _USER, _ANSWER)
        try:
            self._model = self._choose(model)
            self.capabilities = self._probe()
        except ProblemError as problem:
            self.close()
            raise ProblemError("model_unavailable", problem.detail, param="llm") from problem
        except BaseException:
            self.close()
            raise
        self.name = f"{self._model}@{self._http.base_url.host}"

    def close(self) -> None:
        """Let go of threads and connections, as soon as the calls under way have ended."""
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    @property
    def label_method(self) -> str:
        """How labels are scored, since it hangs on the server."""
        if self.capabilities.logprobs:
            return "letter codes by the server's first-token log-probabilities, mean over two orders of the labels"
        kept = "structured" if self.capabilities.structured else "free"
        return f"{SAMPLES} {kept} answers sampled from the server and counted: it gives no log-probabilities"

    @property
    def prefix_room(self) -> int:
        """Prefixes are text, so any number may be kept."""
        return 1_000_000

    # -- what can it do? -------------------------------------------------------------------------------------------

    def _choose(self, asked: str) -> str:
        listed = self._call("GET", "/models")
        try:
            names = [str(entry["id"]) for entry in listed["data"]]
        except (KeyError, TypeError):
            raise self._unusable("/models lists no models") from None
        if asked and asked not in names:
            raise ProblemError("model_unavailable", f"llm_model: {asked!r} is not one of {names}", param="llm_model")
        if not names:
            raise self._unusable("/models lists no models")
        return asked or names[0]

    def _probe(self) -> Capabilities:
        """Ask one easy question with fewer and fewer options, until the server takes them."""
        question = [{"role": "user", "content": _listed("Which of the two is a colour?", ["blue", "seven"])}]
        schema = _letters_schema("AB")
        structured = False
        with suppress(_RefusedError):
            kept = self._chat(question, max_tokens=16, **schema)
            structured = _letter_of(_text(kept), "AB", whole=True) is not None
        for count in (_MOST_LOGPROBS, 5):
            try:
                answer = self._chat(question, max_tokens=1, logprobs=True, top_logprobs=count)
            except _RefusedError:
                continue
            found = _first_token(answer)
            if found is not None:  # else the server took the option and ignored it
                _check_distribution(found)
                return Capabilities(min(count, max(len(found), 1)), structured)
            break
        if not _text(self._chat(question, max_tokens=16)).strip():
            raise self._unusable("it answers nothing")
        return Capabilities(0, structured)

    # -- text ------------------------------------------------------------------------------------------------------

    def count_tokens(self, text: str) -> int:
        """An upper bound: only the server knows its tokenizer."""
        return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)

    def read(
        self, pieces: Sequence[str | Control], after: HostedPrefix | None = None, *, keep: bool = False
    ) -> HostedPrefix:
        """As the port says; nothing is sent yet, so ``keep`` has no effect."""
        before = after.pieces if after else ()
        ends = tuple(len(before) + index + 1 for index in range(len(pieces)))
        return HostedPrefix((*before, *pieces), ends)

    def hide(self, prefix: HostedPrefix, begin: int, end: int) -> HostedPrefix:
        """Left out altogether, not only from the question's sight."""
        return HostedPrefix((*prefix.pieces[:begin], *prefix.pieces[end:]), prefix.piece_ends)

    def release(self, prefix: HostedPrefix) -> None:
        """Nothing is held."""

    # -- answers ---------------------------------------------------------------------------------------------------

    def label_logprobs(self, prefix: HostedPrefix, questions: Sequence[str], labels: Sequence[str]) -> LogProbs:
        orders = [list(range(len(labels))), list(range(len(labels)))[::-1]]
        ask = self._letter_logprobs if self.capabilities.logprobs else self._letter_counts
        rows = self._all([partial(ask, prefix, q, [labels[i] for i in order]) for q in questions for order in orders])
        found = np.array(rows).reshape(len(questions), 2, len(labels))
        found[:, 1] = found[:, 1, ::-1]
        mean = found.mean(axis=1)
        return np.asarray(mean - np.logaddexp.reduce(mean, axis=1, keepdims=True))

    def _letter_logprobs(self, prefix: HostedPrefix, question: str, labels: Sequence[str]) -> LogProbs:
        letters = string.ascii_uppercase[: len(labels)]
        messages = prefix.messages(_listed(question, labels))
        answer = self._chat(
            messages, max_tokens=1, temperature=0, logprobs=True, top_logprobs=self.capabilities.logprobs
        )
        told = _first_token(answer)
        if told is None:
            raise self._wrong("it gave log-probabilities at the start and gives none now")
        _check_distribution(told)
        found = np.full(len(labels), -np.inf)
        for token, logprob in told.items():
            letter = token.strip().strip('"').upper()
            if len(letter) == 1 and letter in letters:
                place = letters.index(letter)
                found[place] = np.logaddexp(found[place], logprob)
        if np.isneginf(found).all():
            raise self._wrong(f"its likeliest first tokens hold none of the letters {letters}")
        # What is not listed is at most as likely as the least likely token that is.
        found[np.isneginf(found)] = min(told.values())
        return np.asarray(found - np.logaddexp.reduce(found))

    def _letter_counts(self, prefix: HostedPrefix, question: str, labels: Sequence[str]) -> LogProbs:
        letters = string.ascii_uppercase[: len(labels)]
        messages = prefix.messages(_listed(question, labels))
        options = _letters_schema(letters) if self.capabilities.structured else {}
        counts = np.zeros(len(labels))
        for _ in range(SAMPLES // 2):  # half for each order of the labels
            text = _text(self._chat(messages, max_tokens=16, temperature=1.0, **options))
            letter = _letter_of(text, letters) or _letter_named(text, labels)
            if letter is not None:
                counts[letters.index(letter)] += 1
        if not counts.any():
            raise self._wrong(f"none of its answers begins with one of the letters {letters}")
        return np.asarray(np.log((counts + 1 / len(labels)) / (counts.sum() + 1)))

    def generate(
        self, prefix: HostedPrefix, beginnings: Sequence[str], max_new_tokens: int, is_complete: Callable[[str], bool]
    ) -> list[str]:
        """As the port says, but whole answers come, so ``is_complete`` cannot end them early."""

        def one(beginning: str) -> str:
            asked = f"Go on with this text and write nothing else, with no other beginning:\n{beginning}"
            most = max_new_tokens + self.count_tokens(beginning)
            text = _text(self._chat(prefix.messages(asked), max_tokens=most, temperature=0)).strip()
            return f" {text.removeprefix(beginning).strip()}"

        return self._all([partial(one, beginning) for beginning in beginnings])

    # -- the wire --------------------------------------------------------------------------------------------------

    def _all(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Run them side by side, and stop when the caller is gone or one fails."""
        futures: list[Future[T]] = [self._pool.submit(task) for task in tasks]
        try:
            left: set[Future[T]] = set(futures)
            while left:
                self.on_step()
                done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        finally:
            for future in futures:
                future.cancel()
        return [future.result() for future in futures]

    def _chat(self, messages: Sequence[Message], **options: Any) -> dict[str, Any]:
        answer = self._call("POST", "/chat/completions", {"model": self._model, "messages": messages, **options})
        usage = answer.get("usage")
        if isinstance(usage, dict):
            self.tokens_read += int(usage.get("total_tokens") or 0)
        return answer

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The server's JSON. What may pass is tried again, after growing waits with jitter or as the server says.

        Raises ``service_unavailable`` when it did not pass, ``_RefusedError`` where the server refuses the request.
        """
        for attempt in range(self._retries + 1):
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.TimeoutException:
                failed, wanted = f"it did not answer within {self._timeout_s:g} s", 0.0
            except httpx.TransportError as error:
                failed, wanted = f"it cannot be reached ({type(error).__name__})", 0.0
            else:
                if answer.is_success:
                    return self._json(answer)
                failed, wanted = f"it answered {answer.status_code}", _seconds(answer.headers.get("retry-after"))
                if answer.status_code in _REFUSED:
                    raise _RefusedError(f"llm: {self._http.base_url}: {failed} to {method} {path}")
                if answer.status_code not in _RETRIED:
                    raise self._unusable(failed)
            if attempt < self._retries:
                longest = min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
                # Jitter, so that several clients do not come back at the same moment
                time.sleep(max(min(wanted, _LONGEST_WAIT_S), random.uniform(0.5, 1.0) * longest))  # noqa: S311
        raise self._wrong(f"{failed}, {self._retries + 1} times")

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            raise self._wrong("its answer is no JSON") from None
        if not isinstance(found, dict):
            raise self._wrong("its answer is no JSON object")
        return found

    def _unusable(self, why: str) -> ProblemError:
        return ProblemError("model_unavailable", f"llm: {self._http.base_url}: {why}", param="llm")

    def _wrong(self, why: str) -> ProblemError:
        """What may be better at the next request."""
        return ProblemError("service_unavailable", f"llm: {self._http.base_url}: {why}")


class _RefusedError(ProblemError):
    """The server does not take the request as it is."""

    def __init__(self, detail: str) -> None:
        super().__init__("model_unavailable", detail, param="llm")


def _listed(question: str, labels: Sequence[str]) -> str:
    options = ", ".join(f"{letter} {label}" for letter, label in zip(string.ascii_uppercase, labels, strict=False))
    return f"{question.strip()}\nOptions: {options}.\nAnswer with the letter of one option only."


def _letters_schema(letters: str) -> dict[str, Any]:
    """``response_format`` for one of the letters."""
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(letters)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    }


def _text(answer: dict[str, Any]) -> str:
    try:
        return str(answer["choices"][0]["message"]["content"] or "")
    except (KeyError, IndexError, TypeError):
        raise ProblemError("service_unavailable", "llm: the server's answer holds no message") from None


def _first_token(answer: dict[str, Any]) -> dict[str, float] | None:
    """Token -> log-probability of the likeliest first tokens; None where the answer has none."""
    try:
        tokens = answer["choices"][0]["logprobs"]["content"]
        found = {str(entry["token"]): float(entry["logprob"]) for entry in tokens[0]["top_logprobs"]}
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found or None


def _check_distribution(logprobs: dict[str, float]) -> None:
    """Raise ``service_unavailable`` where these cannot be log-probabilities of different tokens."""
    values = np.array(list(logprobs.values()))
    total = float(np.exp(np.minimum(values, 1.0)).sum()) if not np.isnan(values).any() else math.nan
    if math.isnan(total) or values.max() > _ROUNDING or total > 1 + _ROUNDING:
        raise ProblemError(
            "service_unavailable",
            f"llm: the server's log-probabilities are none: the largest is {values.max():.3g}, "
            f"the probabilities of {len(values)} tokens sum to {total:.3g}",
        )


def _letter_of(text: str, letters: str, *, whole: bool = False) -> str | None:
    """The letter that an answer gives, as ``{"answer": "A"}`` or, unless ``whole``, at its beginning."""
    kept = re.fullmatch(r'\s*\{\s*"answer"\s*:\s*"([A-Z])"\s*\}\s*', text)
    if kept is None and not whole:
        kept = re.match(r"\W*([A-Z])\b(?!')", text)
    return kept[1] if kept and kept[1] in letters else None


def _letter_named(text: str, labels: Sequence[str]) -> str | None:
    """The letter of the only label that an answer names."""
    named = [place for place, label in enumerate(labels) if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.I)]
    return string.ascii_uppercase[named[0]] if len(named) == 1 else None


def _seconds(retry_after: str | None) -> float:
    """Of a Retry-After header; 0 where it is missing or a date."""
    return float(retry_after) if retry_after and re.fullmatch(r"\d+(\.\d+)?", retry_after) else 0.0
