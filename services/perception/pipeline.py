"""Photo -> social story, in four stages. Each can be called and looked at alone, and each can be swapped.

The stages and the story's form (symbols, records, one paragraph of at most 15 sentences) follow SocialGPT (Li et al.
2024, arXiv 2410.21411, section 3.1). There the boxes of the people are given; here they are found.
"""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np

from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.common.stopwatch import Stopwatch
from services.perception.ask.asker import Asked, Asker
from services.perception.ask.vision_language import VisionLanguageModel
from services.perception.blur import with_faces_hidden
from services.perception.boxes import as_box
from services.perception.detect.detector import Detector, Found, Pixels
from services.perception.detect.people import Subject
from services.perception.detect.pose import KEYPOINTS, Pose
from services.perception.direct.judge import judge
from services.perception.draw.marks import Mark, as_png, marked
from services.perception.memory import Memory
from services.perception.schemas import (
    Answers,
    Choice,
    Judgement,
    JudgeOptions,
    Keypoint,
    Mask,
    Person,
    PhotoOptions,
    Sight,
    Story,
    StoryOptions,
)
from services.perception.segment.masks import MaskArray, Segmented, Segmenter, run_lengths
from services.perception.tell.teller import tell_story


@dataclass(frozen=True)
class Photo:
    """``pixels`` (H, W, 3) uint8 RGB upright; ``digest`` names the file's content; ``warnings`` of its reading."""

    pixels: Pixels
    digest: str
    warnings: list[str]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises ``unsupported_media``, ``too_large``."""
        picture = read_picture(data, param="photo")
        return cls(picture.pixels, hashlib.sha256(data).hexdigest(), picture.warnings)


class Perception:
    """The stages. ``models``: role -> name and revision of what stands behind them."""

    def __init__(
        self,
        *,
        detector: Detector,
        segmenter: Segmenter,
        asker: Asker,
        models: dict[str, str],
        memory: Memory,
        vision_language: VisionLanguageModel | None = None,
        leave_out_sensitive: bool = False,
    ) -> None:
        self.detector, self.segmenter, self.asker = detector, segmenter, asker
        self._models, self.memory, self._vision_language = models, memory, vision_language
        self._leave_out_sensitive = leave_out_sensitive
        self._versions = tuple(sorted(models.items()))

    def people(self, photo: Photo, options: PhotoOptions, clock: Stopwatch) -> Sight:
        """Stage 1 alone. Raises ``no_person``, and ``invalid_request`` for a box that is not in the photo."""
        _, found = self._detect(photo, options, clock)
        return self._sight(photo, found, clock)

    def masks(self, photo: Photo, options: PhotoOptions, clock: Stopwatch) -> Sight:
        """Stages 1 and 2: people and objects with their masks. Raises as above."""
        shown, segmented = self._segment(photo, options, clock)
        return self._with_masks(self._sight(shown, segmented.found, clock), shown, segmented)

    def answers(self, photo: Photo, options: StoryOptions, clock: Stopwatch) -> Answers:
        """Stages 1 to 3. Raises as above."""
        shown, segmented = self._segment(photo, options, clock)
        asked = self._ask(shown, segmented, options, clock)
        sight = self._sight(shown, segmented.found, clock, asked)
        if options.masks:
            sight = self._with_masks(sight, shown, segmented)
        return Answers(**dict(sight), pairs=asked.pairs, scene=asked.scene)

    def story(self, photo: Photo, options: StoryOptions, clock: Stopwatch) -> Story:
        """All stages. Raises as above."""
        answers = self.answers(photo, options, clock)
        with clock.stage("tell"):
            story = tell_story(answers)
        return story.model_copy(update={"timings_s": clock.seconds})

    def overlay(self, photo: Photo, options: PhotoOptions, clock: Stopwatch) -> bytes:
        """The photo as a PNG with its people and things marked. Raises as above."""
        shown, segmented = self._segment(photo, options, clock)
        found = segmented.found
        with clock.stage("draw"):
            masks = self.segmenter.things(shown.pixels, segmented)
            marks = [
                Mark(symbol, person.box, mask=mask)
                for symbol, person, mask in zip(found.symbols, found.people, segmented.people, strict=True)
            ]
            marks += [
                Mark(thing.symbol, np.array(thing.box, np.float32), thing.name, mask)
                for thing, mask in zip(found.things, masks, strict=True)
            ]
            return as_png(marked(shown.pixels, marks))

    def judgement(self, photo: Photo, options: JudgeOptions, clock: Stopwatch) -> Judgement:
        """The direct route, beside the four stages: the vision-language model answers the relation itself.

        Raises as above, ``one_person``, ``unknown_person``, ``taxonomy_invalid``, and ``model_unavailable`` where the
        profile has no such model.
        """
        model = self._vision_language
        if model is None:
            raise ProblemError(
                "model_unavailable",
                "the direct route needs a vision-language model; set RACONTEUR_PERCEPTION_PROFILE, RACONTEUR_VLM or "
                "RACONTEUR_VLM_URL",
            )
        labels, left_out = self._labels(options)
        shown, found = self._detect(photo, options, clock)
        pairs = _checked_pairs(found.symbols, options.pairs)
        with clock.stage("judge"):
            relations = judge(model, shown.pixels, found, pairs=pairs, labels=labels, check=clock.check)
        sight = self._sight(shown, found, clock)
        warnings = [*sight.warnings, *([f"left out as sensitive: {', '.join(left_out)}"] if left_out else [])]
        return Judgement(**dict(sight) | {"warnings": warnings}, relations=relations, model=model.name)

    def _labels(self, options: JudgeOptions) -> tuple[list[Choice], list[str]]:
        """Those to choose from, and the names of those left out. Raises ``taxonomy_invalid``."""
        if not (self._leave_out_sensitive or options.leave_out_sensitive):
            return options.labels, []
        kept = [label for label in options.labels if not label.sensitive]
        if len(kept) < 2:
            raise ProblemError(
                "taxonomy_invalid",
                f"labels: without the sensitive ones {len(kept)} is left; a choice needs two",
                param="labels",
            )
        return kept, [label.name for label in options.labels if label.sensitive]

    def _detect(self, photo: Photo, options: PhotoOptions, clock: Stopwatch) -> tuple[Photo, Found]:
        """What is found, and the photo as later stages may see it: with its faces hidden where that was asked for."""
        with clock.stage("detect"):
            found = self.memory.recall(
                self._key(photo, "detect", _boxes(options)), lambda: self.detector(photo.pixels, options.boxes)
            )
        if not options.blur_faces:
            return photo, found
        with clock.stage("blur"):
            heads = self.memory.recall(self._key(photo, "heads"), lambda: self.detector.heads(photo.pixels))
            return replace(photo, pixels=with_faces_hidden(photo.pixels, heads)), found.without_faces()

    def _segment(self, photo: Photo, options: PhotoOptions, clock: Stopwatch) -> tuple[Photo, Segmented]:
        shown, found = self._detect(photo, options, clock)
        with clock.stage("segment"):
            segmented = self.memory.recall(
                self._key(photo, "segment", _boxes(options), options.blur_faces),
                lambda: self.segmenter(shown.pixels, found, clock.check),
            )
        return shown, segmented

    def _ask(self, shown: Photo, segmented: Segmented, options: StoryOptions, clock: Stopwatch) -> Asked:
        omit = tuple(sorted(set(options.omit)))
        with clock.stage("ask"):
            return self.memory.recall(
                self._key(shown, "ask", _boxes(options), options.blur_faces, omit),
                lambda: self.asker(shown.pixels, segmented, omit, clock.check),
            )

    def _key(self, photo: Photo, stage: str, *rest: Hashable) -> Hashable:
        return (self._versions, photo.digest, stage, *rest)

    def _sight(self, photo: Photo, found: Found, clock: Stopwatch, asked: Asked | None = None) -> Sight:
        height, width = photo.pixels.shape[:2]
        return Sight(
            width=width,
            height=height,
            people=[
                _person(symbol, subject, asked) for symbol, subject in zip(found.symbols, found.people, strict=True)
            ],
            objects=[
                thing.model_copy(update={"attributes": asked.things.get(thing.symbol, {})}) if asked else thing
                for thing in found.things
            ],
            warnings=[*photo.warnings, *found.warnings],
            models=self._models,
            timings_s=clock.seconds,
        )

    def _with_masks(self, sight: Sight, photo: Photo, segmented: Segmented) -> Sight:
        things = self.segmenter.things(photo.pixels, segmented)

        def drawn(mask: MaskArray) -> dict[str, Mask]:
            return {"mask": run_lengths(mask, sight.width, sight.height)}

        people = [
            person.model_copy(update=drawn(mask)) for person, mask in zip(sight.people, segmented.people, strict=True)
        ]
        objects = [thing.model_copy(update=drawn(mask)) for thing, mask in zip(sight.objects, things, strict=True)]
        return sight.model_copy(update={"people": people, "objects": objects})


def _boxes(options: PhotoOptions) -> Hashable:
    return None if options.boxes is None else tuple(options.boxes)


def _checked_pairs(symbols: list[str], pairs: list[tuple[str, str]] | None) -> list[tuple[str, str]]:
    if len(symbols) == 1:
        raise ProblemError("one_person", "photo: it shows 1 person; a relation needs 2", param="photo")
    for pair in pairs or []:
        if unknown := sorted(set(pair) - set(symbols)):
            raise ProblemError(
                "unknown_person", f"pairs: {unknown[0]} is not one of {', '.join(symbols)}", param="pairs"
            )
        if pair[0] == pair[1]:
            raise ProblemError("invalid_request", f"pairs: {pair[0]} with itself is no pair", param="pairs")
    return list(combinations(symbols, 2)) if pairs is None else pairs


def _person(symbol: str, subject: Subject, asked: Asked | None) -> Person:
    face = subject.face
    details: dict[str, Any] = {}
    if face is not None:
        points = [(round(float(x), 1), round(float(y), 1)) for x, y in face.landmarks]
        details = {"face_box": as_box(face.box), "face_landmarks": points}
    return Person(
        symbol=symbol,
        box=as_box(subject.box),
        score=round(min(subject.score, 1.0), 3),
        keypoints=_keypoints(subject.pose) if subject.pose else [],
        attributes=asked.people[symbol] if asked else {},
        **details,
    )


def _keypoints(pose: Pose) -> list[Keypoint]:
    return [
        Keypoint(name=name, x=round(float(x), 1), y=round(float(y), 1), score=round(float(np.clip(score, 0, 1)), 3))
        for name, (x, y, score) in zip(KEYPOINTS, pose.points, strict=True)
    ]
