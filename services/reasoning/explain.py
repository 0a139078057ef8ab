"""Why: a sentence of the model's own about a label that is decided already, and the story's sentences that carry it."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from services.reasoning.faithful import contradiction, genders_told, quoted
from services.reasoning.llm import LanguageModel, PrefixT
from services.reasoning.prompt import question
from services.reasoning.schemas import Evidence
from services.reasoning.scoring import Pair

MAX_NEW_TOKENS: Final = 60
MAX_EVIDENCE_SENTENCES: Final = 6
"""Each sentence costs one more question to the model."""

_SENTENCE: Final = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_CHOICE: Final = re.compile(r"\bRelation of\b.*", re.DOTALL)


def explain(
    model: LanguageModel[PrefixT], story: PrefixT, *, sentences: list[str], pairs: Sequence[Pair], chosen: Sequence[str]
) -> list[str]:
    """A sentence per pair that does not contradict the story.

    What the model writes first is kept unless it says what the story denies (``faithful``). Then it is asked once more,
    beginning with both people; if that is no better, the story's own sentence about the two is quoted. It is a model's
    text about a caller's text: untrusted, to be shown as plain text.
    """
    told = " ".join(sentences)
    genders = genders_told(told)
    found: dict[int, str] = {}
    for attempt in (1, 2):
        left = [index for index in range(len(pairs)) if index not in found]
        if not left:
            break
        subjects = [" and ".join(f"<{symbol}>" for symbol in pairs[index][:attempt]) for index in left]
        written = _write(model, story, [pairs[index] for index in left], [chosen[index] for index in left], subjects)
        found |= {
            index: text
            for index, text in zip(left, written, strict=True)
            if text is not None and contradiction(text, pairs[index], told, genders) is None
        }
    return [found.get(index) or quoted(pairs[index], chosen[index], sentences) for index in range(len(pairs))]


def _write(
    model: LanguageModel[PrefixT],
    story: PrefixT,
    pairs: Sequence[Pair],
    chosen: Sequence[str],
    subjects: Sequence[str],
) -> list[str | None]:
    """The model's own sentence per pair, or None where it wrote none.

    The label stands before it as decided, so the explanation cannot change it. It begins with the subject: left free, a
    small model often stops after the label or repeats an example of the prompt, naming nobody.
    """
    beginnings = [
        f"{question(*pair)} {label}. {subject}" for pair, label, subject in zip(pairs, chosen, subjects, strict=True)
    ]
    # Whether a text is complete does not hang on whom it begins with.
    texts = model.generate(
        story, beginnings, MAX_NEW_TOKENS, lambda text: clean_explanation(f"{subjects[0]}{text}") is not None
    )
    return [clean_explanation(f"{subject}{text}") for subject, text in zip(subjects, texts, strict=True)]


def clean_explanation(text: str) -> str | None:
    """The first whole sentence of at least four words; never half a sentence or a further answer ("Relation of")."""
    one_paragraph = text.strip().split("\n")[0]
    sentence = _SENTENCE.match(_CHOICE.sub("", one_paragraph).strip())
    if sentence is None or len(sentence.group().split()) < 4:
        return None
    return sentence.group()


def evidence(
    model: LanguageModel[PrefixT],
    story: PrefixT,
    *,
    sentences: Sequence[str],
    pair: Pair,
    logprob: Callable[[PrefixT], float],
) -> list[Evidence]:
    """Sentences by the drop of the label's log-probability when each is hidden from the question, largest first.

    ``logprob``: of the label that was decided, by what the question sees of the story.
    ``story`` was read in pieces: opening, the sentences, closing, frame. A sentence is hidden by taking it out of the
    key-value cache; the sentences after it have seen it already, so the drop is a lower bound of what leaving it out
    would do, at a tenth of the cost. Sentences that name one of the pair come first when there are more than
    ``MAX_EVIDENCE_SENTENCES``.
    """
    ranked = sorted(range(len(sentences)), key=lambda i: -sum(f"<{symbol}>" in sentences[i] for symbol in pair))
    whole = logprob(story)
    found = []
    for index in ranked[:MAX_EVIDENCE_SENTENCES]:
        begin, end = story.piece_ends[index], story.piece_ends[index + 1]
        partial = model.hide(story, begin, end)
        try:
            drop = whole - logprob(partial)
        finally:
            model.release(partial)
        found.append(Evidence(sentence=sentences[index], weight=round(drop, 4)))
    return sorted(found, key=lambda item: -item.weight)
