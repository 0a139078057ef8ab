"""The four-segment prompt of SocialGPT (Li et al., NeurIPS 2024, section 3): System, Expectation, Context, Guidance.

The four segments come first and are the same for every story, so that a model reads them once; the story follows, and
what differs per pair comes last.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from services.reasoning.schemas import Taxonomy, prompt_hash

SEGMENTS: Final = ("system", "expectation", "context", "guidance")
"""In the order in which the model reads them."""

_FOLDER: Final = Path(__file__).parent / "prompts"
_SENTENCE_END: Final = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))\s+(?=[\"'(<A-Z0-9])")


@dataclass(frozen=True)
class Prompt:
    """System: role and rules. Expectation: input and output. Context: what each label means. Guidance: examples."""

    name: str
    taxonomy: str
    system: str
    expectation: str
    context: str
    guidance: str

    @property
    def content_hash(self) -> str:
        return prompt_hash(self.name, self.taxonomy, {segment: getattr(self, segment) for segment in SEGMENTS})

    @property
    def identity(self) -> str:
        return f"{self.name}@{self.content_hash}"

    @property
    def pieces(self) -> list[str]:
        """The fixed part, before the story, segment by segment: prompts that begin alike share what was read."""
        texts: list[str] = [getattr(self, segment) for segment in SEGMENTS]
        return [*(f"{text}\n\n" for text in texts[:-1]), texts[-1]]

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@lru_cache
def builtin_prompts() -> dict[str, Prompt]:
    """taxonomy's name -> the prompt written for it."""
    prompts = (Prompt(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(_FOLDER.glob("*.json")))
    return {prompt.taxonomy: prompt for prompt in prompts}


def prompt_for(taxonomy: Taxonomy) -> Prompt:
    """The built-in prompt, or for a caller's own taxonomy one whose Expectation and Context are made from it."""
    builtin = builtin_prompts().get(taxonomy.name)
    if builtin is not None:
        return builtin
    pattern = builtin_prompts()["pisc"]
    names = [label.name for label in taxonomy.labels]
    return Prompt(
        name=taxonomy.name,
        taxonomy=taxonomy.name,
        system=pattern.system,
        expectation=(
            "You get a short story told from a photo, in which people are marked <P1>, <P2> and things <O1>, <O2>. "
            f"You answer which relation two of the people most likely have: {', '.join(names[:-1])} or {names[-1]}."
        ),
        context="\n".join(
            ["The relations are:", *(f"- {label.name}: {label.definition}" for label in taxonomy.labels)]
        ),
        guidance=(
            "Look at what the two do with each other, not at the place alone. "
            'Answer in the form "Relation of <P1> and <P2>: (one of the list). (The reason in one sentence.)"'
        ),
    )


def story_pieces(sentences: Sequence[str]) -> list[str]:
    """The story between delimiters, in pieces that the model reads one after the other: opening, sentences, closing."""
    # The delimiter cannot be closed from inside: a story's own run of quotes is cut down to one.
    inner = [re.sub(r'"{2,}', '"', sentence) for sentence in sentences]
    return ['Story: """', inner[0], *(f" {sentence}" for sentence in inner[1:]), '"""']


def split_sentences(story: str) -> list[str]:
    """Sentences of a story, white space trimmed."""
    return [sentence for sentence in _SENTENCE_END.split(" ".join(story.split())) if sentence]


def question(first: str, second: str) -> str:
    """What is asked about a pair; the label is the next word."""
    return f"Relation of <{first}> and <{second}>:"


def claim(first: str, second: str) -> str:
    """The beginning of a sentence about a pair that a label's phrases end."""
    return f"{question(first, second)} they are"


def symbols_in(story: str) -> list[str]:
    """People of a story, ``<P1>`` as ``P1``, each once, by number."""
    return sorted(set(re.findall(r"<(P[1-9][0-9]{0,2})>", story)), key=lambda symbol: int(symbol[1:]))
