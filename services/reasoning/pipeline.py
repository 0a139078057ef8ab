"""Story and pairs -> relations, in numbered stages."""

import itertools
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic

import numpy as np

from services.common.errors import ProblemError
from services.common.metrics import STAGE_SECONDS
from services.reasoning.calibration import NEUTRAL, Calibration, calibration_key
from services.reasoning.conformal import label_set, threshold
from services.reasoning.direction import first_has_first_role
from services.reasoning.explain import evidence, explain
from services.reasoning.fusion import fuse
from services.reasoning.groups.joint import agree
from services.reasoning.groups.rules import rules_of
from services.reasoning.instructions import sentences_told
from services.reasoning.llm import MAX_PROMPT_TOKENS, Check, LanguageModel, LogProbs, PrefixT
from services.reasoning.neutral import neutral_prior
from services.reasoning.prompt import (
    SEGMENTS,
    Prompt,
    builtin_prompts,
    prompt_for,
    story_pieces,
    symbols_in,
)
from services.reasoning.schemas import (
    ChosenPrompt,
    FiredRule,
    FusionResponse,
    GroupLabel,
    GroupReading,
    Label,
    Method,
    Relation,
    RelationsRequest,
    RelationsResponse,
    Roles,
    Taxonomy,
)
from services.reasoning.scoring import (
    DEFAULT_METHOD,
    METHODS,
    PAIR_ORDERS,
    Pair,
    fitted_method,
    label_logprobs,
    method_name,
    pair_scores,
    scores_as_named,
)
from services.reasoning.taxonomy import find_taxonomy, without_sensitive

MAX_STORY_TOKENS: Final = 768
"""A story of fifteen long sentences has about 450."""
_MAX_STORY_CHARACTERS: Final = 16 * MAX_STORY_TOKENS
"""No prose has such long tokens; beyond it the story is not even split into tokens, which takes seconds a megabyte."""
MAX_PAIRS: Final = 66
"""All pairs of twelve people."""
KEPT_PROMPTS: Final = 2
KEPT_LEANINGS: Final = 64


@dataclass(frozen=True)
class _Story(Generic[PrefixT]):
    prefix: PrefixT
    sentences: list[str]
    left_out: int
    """Sentences that told the reader what to do."""


class Reasoner(Generic[PrefixT]):
    """A language model and what was fitted to it. One thread uses it."""

    def __init__(
        self,
        model: LanguageModel[PrefixT],
        calibrations: dict[str, Calibration],
        *,
        method: Method = DEFAULT_METHOD,
        leave_out_sensitive: bool = False,
    ) -> None:
        """``method``: of scoring; ``leave_out_sensitive``: whatever a request asks for."""
        self.model = model
        self.method = method
        self._leave_out_sensitive = leave_out_sensitive
        self._calibrations = calibrations
        self._leanings: OrderedDict[str, Calibration] = OrderedDict()
        self._prompts: OrderedDict[str, PrefixT] = OrderedDict()

    @property
    def method_told(self) -> str:
        """How labels are scored, in words."""
        if self.model.label_method is not None:
            return f"{self.model.label_method}, {PAIR_ORDERS}"
        return METHODS[self.method]

    def relate(self, request: RelationsRequest, check: Check) -> RelationsResponse:
        """Answer a request. ``check`` is called between steps of a second or so and raises to stop.

        Raises ``story_empty``, ``story_too_long``, ``no_person``, ``one_person``, ``unknown_person``,
        ``taxonomy_invalid``, ``invalid_request``.
        """
        self.model.on_step = check
        clock = _Clock()
        # 1. Check the request
        taxonomy = find_taxonomy(request.taxonomy)
        pairs = resolve_pairs(request.story, request.pairs)
        self._check_length(request.story)
        judged = taxonomy
        if self._leave_out_sensitive or request.leave_out_sensitive:
            judged = without_sensitive(taxonomy)
        labels = [label.name for label in judged.labels]
        left_out = [label.name for label in taxonomy.labels if label not in judged.labels]
        # 2. Read the prompt's four segments, or find them read
        prompt, calibration = self.chosen(taxonomy, request.prompt)
        prompt_prefix = self.read_prompt(prompt)
        clock.lap("prompt")
        # 3. Read the story once for all pairs
        story = self._read_story(request.story, judged.labels, prompt_prefix)
        clock.lap("story")
        try:
            # 4. Score every label for every pair
            scores = pair_scores(self.model, story.prefix, pairs, judged.labels, self.method)
            logprobs = label_logprobs(scores, labels, calibration)
            clock.lap("score")
            relations = [
                _relation(pair, row, judged, request.abstain_below) for pair, row in zip(pairs, logprobs, strict=True)
            ]
            if request.coverage is not None and calibration is not None and calibration.held_out:
                smallest = threshold(calibration.held_out, request.coverage)
                for relation, row in zip(relations, logprobs, strict=True):
                    relation.label_set = label_set(row, labels, smallest)
            # 5. Read all pairs together
            group = _group(pairs, logprobs, labels, taxonomy.name)
            # 6. Tell who has which role, where a relation has two
            self._assign_roles(story, relations, judged)
            if any(relation.roles for relation in relations):
                clock.lap("roles")
            # 7. Explain what is decided
            if request.explain:
                self._explain(story, relations, judged.labels, calibration)
                clock.lap("explain")
        finally:
            self.model.release(story.prefix)
        return RelationsResponse(
            relations=relations,
            group=group,
            taxonomy=taxonomy.name,
            prompt=prompt.identity,
            model=self.model.name,
            method=method_name(self.method_told, calibration),
            warnings=[
                *_warned_of_calibration(taxonomy.name, calibration),
                *_warned_of_coverage(request.coverage, calibration),
                *_warned_of_instructions(story.left_out),
                *([f"left out as sensitive: {', '.join(left_out)}"] if left_out else []),
            ],
            timings_s=clock.laps,
        )

    def fuse(self, sentences: Sequence[str], check: Check) -> FusionResponse:
        """A story's plain sentences told fluently, none with another fact. Raises ``story_too_long``."""
        self.model.on_step = check
        self._check_length(" ".join(sentences))
        return fuse(self.model, sentences)

    def chosen(self, taxonomy: Taxonomy, asked: ChosenPrompt | None) -> tuple[Prompt, Calibration | None]:
        """The prompt asked for, or the shipped one, and the calibration that serves this model with it.

        Where none was fitted, the model's leaning on neutral stories; None of a server, where these would cost.
        """
        if asked is None:
            prompt = prompt_for(taxonomy)
            return prompt, self._calibration(prompt, taxonomy)
        texts = {segment: getattr(asked, segment) for segment in SEGMENTS}
        lost = [label.name for label in taxonomy.labels if label.name not in asked.context]
        if lost:
            raise ProblemError(
                "invalid_request", f"prompt.context: it does not name {', '.join(lost)}", param="prompt.context"
            )
        prompt = Prompt(name=asked.name, taxonomy=taxonomy.name, **texts)
        fitted = asked.calibration
        asked_like = self.model.name, fitted_method(taxonomy.labels, self.method)
        if fitted is None or (fitted.model, fitted.method) != asked_like:
            return prompt, self._calibration(prompt, taxonomy)
        return prompt, Calibration(
            fitted.log_prior, fitted.temperature, fitted.n_stories, fitted.source, "", fitted.held_out
        )

    def scores(self, story: str, pair: Pair, taxonomy: Taxonomy, prompt: Prompt | None = None) -> LogProbs:
        """The model's own scores of one pair, shape (labels,), before calibration."""
        self._check_length(story)
        read = self._read_story(story, taxonomy.labels, self.read_prompt(prompt or prompt_for(taxonomy)))
        try:
            return np.asarray(pair_scores(self.model, read.prefix, [pair], taxonomy.labels, self.method)[0])
        finally:
            self.model.release(read.prefix)

    def _calibration(self, prompt: Prompt, taxonomy: Taxonomy) -> Calibration | None:
        key = calibration_key(self.model.name, prompt.identity, fitted_method(taxonomy.labels, self.method))
        if key in self._calibrations:
            return self._calibrations[key]
        if self.model.label_method is not None:
            return None
        if key not in self._leanings:
            read = self.read_prompt(prompt)
            while len(self._leanings) >= KEPT_LEANINGS:
                self._leanings.popitem(last=False)
            self._leanings[key] = neutral_prior(self.model, read, taxonomy.labels, self.method)
        self._leanings.move_to_end(key)
        return self._leanings[key]

    def read_prompt(self, prompt: Prompt) -> PrefixT:
        """The prompt's prefix; the last ``KEPT_PROMPTS`` stay read, built-in ones are kept over restarts too."""
        if prompt.identity in self._prompts:
            self._prompts.move_to_end(prompt.identity)
            return self._prompts[prompt.identity]
        n_tokens = self.model.count_tokens(prompt.text)
        if n_tokens > MAX_PROMPT_TOKENS:
            raise ProblemError(
                "taxonomy_invalid",
                f"taxonomy: its prompt has {n_tokens} tokens; the limit is {MAX_PROMPT_TOKENS}",
                param="taxonomy",
            )
        while len(self._prompts) >= KEPT_PROMPTS:
            self.model.release(self._prompts.popitem(last=False)[1])
        frame = self.model.chat_frame
        prefix = self.model.read(
            [frame.before_system, *prompt.pieces, frame.before_user], keep=prompt in builtin_prompts().values()
        )
        self._prompts[prompt.identity] = prefix
        return prefix

    def forget_prompts(self) -> None:
        """Give the memory of read prompts to other work; they are read again when they are asked for."""
        while self._prompts:
            self.model.release(self._prompts.popitem()[1])

    def _check_length(self, story: str) -> None:
        """Raise ``story_too_long``; before anything is read, so that the answer comes at once."""
        length, limit, unit = len(story), _MAX_STORY_CHARACTERS, "characters"
        if length <= limit:
            length, limit, unit = self.model.count_tokens(story), MAX_STORY_TOKENS, "tokens"
        if length > limit:
            raise ProblemError("story_too_long", f"story: it has {length} {unit}; the limit is {limit}", param="story")

    def _read_story(self, story: str, labels: Sequence[Label], after: PrefixT) -> _Story[PrefixT]:
        """The story behind the prompt, up to where the answer begins."""
        sentences, left_out = sentences_told(story, labels)
        prefix = self.model.read([*story_pieces(sentences), self.model.chat_frame.before_answer], after)
        return _Story(prefix, sentences, left_out)

    def _assign_roles(self, story: _Story[PrefixT], relations: list[Relation], taxonomy: Taxonomy) -> None:
        roles = {label.name: label.roles for label in taxonomy.labels if label.roles is not None}
        for relation in relations:
            if relation.label not in roles or relation.abstained:
                continue
            two = roles[relation.label]
            p = first_has_first_role(self.model, story.prefix, relation.pair, relation.label, two)
            order = relation.pair if p >= 0.5 else relation.pair[::-1]
            relation.roles = Roles(people=dict(zip(two, order, strict=True)), probability=max(p, 1 - p))

    def _explain(
        self,
        story: _Story[PrefixT],
        relations: list[Relation],
        labels: Sequence[Label],
        calibration: Calibration | None,
    ) -> None:
        texts = explain(
            self.model,
            story.prefix,
            sentences=story.sentences,
            pairs=[relation.pair for relation in relations],
            chosen=[relation.label for relation in relations],
        )
        for relation, text in zip(relations, texts, strict=True):
            relation.explanation = text
        # Evidence costs one question per sentence, so only the surest pair has it.
        surest = max(relations, key=lambda relation: relation.probabilities[relation.label])
        names = [label.name for label in labels]

        def logprob(seen: PrefixT) -> float:
            scores = scores_as_named(self.model, seen, [surest.pair], labels, self.method)
            return float(label_logprobs(scores, names, calibration)[0, names.index(surest.label)])

        surest.evidence = evidence(
            self.model, story.prefix, sentences=story.sentences, pair=surest.pair, logprob=logprob
        )


def resolve_pairs(story: str, asked: Sequence[Pair] | None) -> list[Pair]:
    """The pairs to judge: those asked, or all pairs of the story's people."""
    if not story.strip():
        raise ProblemError("story_empty", "story: it has no text; tell at least one sentence", param="story")
    people = symbols_in(story)
    if not people:
        raise ProblemError("no_person", "story: it names no person; people are written <P1>, <P2>", param="story")
    if len(people) == 1:
        raise ProblemError("one_person", f"story: it names only <{people[0]}>; a relation needs two", param="story")
    pairs = list(itertools.combinations(people, 2)) if asked is None else list(asked)
    if not 1 <= len(pairs) <= MAX_PAIRS:
        raise ProblemError("invalid_request", f"pairs: there are {len(pairs)}; give 1 to {MAX_PAIRS}", param="pairs")
    for first, second in pairs:
        if first == second:
            raise ProblemError("invalid_request", f"pairs: {first} with itself; give two people", param="pairs")
        for symbol in (first, second):
            if symbol not in people:
                rule = f"the story names {', '.join(people)}"
                raise ProblemError("unknown_person", f"pairs: {symbol} is not in the story; {rule}", param="pairs")
    return pairs


def _relation(pair: Pair, logprobs: LogProbs, taxonomy: Taxonomy, abstain_below: float) -> Relation:
    probabilities = np.exp(logprobs)
    best = int(np.argmax(probabilities))
    return Relation(
        pair=pair,
        label=taxonomy.labels[best].name,
        coarse=taxonomy.labels[best].coarse,
        probabilities={label.name: float(p) for label, p in zip(taxonomy.labels, probabilities, strict=True)},
        abstained=bool(probabilities[best] < abstain_below),
        explanation=None,
        evidence=[],
    )


def _group(pairs: Sequence[Pair], logprobs: LogProbs, labels: Sequence[str], taxonomy: str) -> GroupReading | None:
    joint = agree(pairs, logprobs, labels, rules_of(taxonomy))
    if joint is None:
        return None
    return GroupReading(
        labels=[GroupLabel(pair=pair, label=labels[index]) for pair, index in zip(pairs, joint.choice, strict=True)],
        fired=[FiredRule(rule=f.rule.name, weight=f.rule.weight, pairs=list(f.pairs)) for f in joint.fired],
        method=joint.method,
    )


def _warned_of_calibration(taxonomy: str, calibration: Calibration | None) -> list[str]:
    if calibration is None:
        return [f"no calibration for taxonomy {taxonomy!r}: raw probabilities"]
    if calibration.source == NEUTRAL:
        return [f"no calibration for taxonomy {taxonomy!r}: probabilities are rough"]
    return []


def _warned_of_instructions(left_out: int) -> list[str]:
    if not left_out:
        return []
    many = "s" * (left_out > 1)
    return [f"story: {left_out} sentence{many} left out: orders to the reader or answers, not what is seen"]


def _warned_of_coverage(coverage: float | None, calibration: Calibration | None) -> list[str]:
    if coverage is None:
        return []
    if calibration is None or not calibration.held_out:
        return ["coverage: no label sets, since no calibration with held-out stories serves this prompt"]
    if threshold(calibration.held_out, coverage) == 0:
        return [f"coverage: {len(calibration.held_out)} stories are too few for {coverage:g}; sets hold all labels"]
    return []


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round(now - self._last, 4)
        STAGE_SECONDS.labels(stage).observe(now - self._last)
        self._last = now
