"""Why: a sentence of the model's own about a label that is decided already, and the story's sentences that carry it."""

import re
from collections.abc import Sequence
from typing import Final

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
    model: LanguageModel[PrefixT], story: PrefixT, pairs: Sequence[Pair], chosen: Sequence[str]
) -> list[str | None]:
    """One or two sentences per pair, or None where the model wrote none.

    The label stands before them as decided, so the explanation cannot change it. It begins with the first of the pair:
    left free, a small model often stops after the label or repeats an example of the prompt, naming nobody. It is a
    model's text about a caller's text: untrusted, to be shown as plain text.
    """
    subjects = [f"<{first}>" for first, _ in pairs]
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
    label: str,
    labels: Sequence[str],
) -> list[Evidence]:
    """Sentences by the drop of the label's log-probability when each is hidden from the question, largest first.

    ``story`` was read in pieces: opening, the sentences, closing, frame. A sentence is hidden by taking it out of the
    key-value cache; the sentences after it have seen it already, so the drop is a lower bound of what leaving it out
    would do, at a tenth of the cost. Sentences that name one of the pair come first when there are more than
    ``MAX_EVIDENCE_SENTENCES``.
    """
    ranked = sorted(range(len(sentences)), key=lambda i: -sum(f"<{symbol}>" in sentences[i] for symbol in pair))
    asked, column = [question(*pair)], labels.index(label)
    whole = model.label_logprobs(story, asked, labels)[0, column]
    found = []
    for index in ranked[:MAX_EVIDENCE_SENTENCES]:
        begin, end = story.piece_ends[index], story.piece_ends[index + 1]
        partial = model.hide(story, begin, end)
        try:
            drop = whole - model.label_logprobs(partial, asked, labels)[0, column]
        finally:
            model.release(partial)
        found.append(Evidence(sentence=sentences[index], weight=round(float(drop), 4)))
    return sorted(found, key=lambda item: -item.weight)
