"""What each part of the small model gives, on rendered people: `python -m services.talkinghead.training.variants SET`.

SET is a set of rendered people, as `prepare --synthetic` writes it; its test part is looked at, which training never
sees. Printed is a table of errors: of the latents that are made, of the mouth's picture, and of its inside alone, which
no bending shows.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from services.common.settings import REPOSITORY
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.audio_encoder import windows_between
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.first_stage import FirstStage, encode, to_model_range
from services.talkinghead.difftalk.mask import keep_mask, soft_mask
from services.talkinghead.difftalk.pipeline import DiffTalk, SourceLatents
from services.talkinghead.evaluation.variants import WALKS, Walk, Walking, walking
from services.talkinghead.footage.shard import Footage, StoredClip
from services.talkinghead.training.clips import Bytes, Floats, heard, rng_of
from services.talkinghead.training.pairs import draft_each, draw_source

Pixel = TypeVar("Pixel", bound=np.generic)

FRAMES_PER_CLIP: Final = 8
_SEED: Final = 0
_MADE: Final = "made: 4 steps, strength 0.6"
_NO_DRAFT: Final = "no draft: another frame, from noise, {} steps"


@dataclass(frozen=True)
class Example:
    """Frames of one clip, and all that the model is told of them."""

    truths: Bytes  # (N, 128, 128, 3)
    inside: NDArray[np.bool_]  # (N, 128, 128) where the mouth's inside shows
    others: Bytes  # (N, 128, 128, 3) the frames that drafts are bent from
    sources: Floats  # (N, 68, 2) landmarks of these
    drafts: Bytes  # (N, 128, 128, 3)
    windows: Floats  # (N, 8, 16, C)
    landmarks: Floats  # (N, 68, 2)

    @classmethod
    def of(cls, clip: StoredClip, number: int, sizes: DiffTalkConfiguration) -> "Example":
        """``FRAMES_PER_CLIP`` frames of a clip; ``number`` seeds which frames their drafts are bent from."""
        rng = rng_of(_SEED, number)
        chosen = np.linspace(1, len(clip) - 1, FRAMES_PER_CLIP).astype(np.int64)  # the first is the face at rest
        sources = np.array([draw_source(clip, chosen[n : n + 1], rng) for n in range(len(chosen))])
        points, others = clip.landmarks[chosen], clip.pictures(sources)
        drafts = [
            draft_each(other, clip.landmarks[source], points[n : n + 1], rng, exact=clip.rendered)[0]
            for n, (other, source) in enumerate(zip(others, sources, strict=True))
        ]
        features = heard(clip, sizes.speech_features)
        windows = [windows_between(features, int(place), int(place) + 1)[0] for place in clip.places[chosen]]
        return cls(
            truths=clip.pictures(chosen),
            inside=clip.inner_mouth(chosen) > 127,
            others=others,
            sources=clip.landmarks[sources],
            drafts=np.stack(drafts),
            windows=np.stack(windows).astype(np.float32),
            landmarks=points,
        )


class Errors:
    """Of made frames, against the true ones."""

    def __init__(self, sizes: DiffTalkConfiguration, first_stage: FirstStage) -> None:
        self._window, self._first_stage = sizes.window, first_stage
        self._made = 1 - keep_mask(soft_mask(sizes.window), sizes.first_stage.factor)

    @torch.no_grad()
    def of(self, made: Bytes, example: Example) -> NDArray[np.float64]:
        """(3,) absolute error of the made region's latents, in grey levels of the mouth and of its inside."""
        pictures, truths = self._cut(made), self._cut(example.truths)
        latents, wanted = (encode(self._first_stage, to_model_range(each)) for each in (pictures, truths))
        region = self._made.expand_as(latents)
        off = np.abs(pictures.astype(np.float64) - truths)
        inside = self._cut(example.inside)
        return np.array(
            [
                float(((latents - wanted).abs() * region).sum() / region.sum()),
                off.mean(),
                off[inside].mean() if inside.any() else np.nan,
            ]
        )

    def _cut(self, squares: NDArray[Pixel]) -> NDArray[Pixel]:
        w = self._window
        return squares[:, w.top : w.top + w.height, w.left : w.left + w.width]


def made_frames(model: DiffTalk, example: Example, drafts: Bytes, windows: Floats) -> Bytes:
    """(N, 128, 128, 3)."""
    each = zip(example.others, example.sources, strict=True)
    latents = SourceLatents.of_frames([model.encode_source(other, points) for other, points in each])
    change = model.refine(latents, drafts, windows, example.landmarks, steps=model.default_steps, seed=_SEED)
    return np.asarray(np.clip(np.rint(drafts + change), 0, 255), np.uint8)


def measured(model_folder: Path, data: Path) -> tuple[int, dict[str, NDArray[np.float64]]]:
    """How many people, and by the variant's name its three errors: means over all people."""
    sizes, denoiser, first_stage = checkpoint.load(model_folder)
    model, errors = DiffTalk(sizes, denoiser, first_stage), Errors(sizes, first_stage)
    with_draft = {_MADE: model, **walking(model)}
    without = {_NO_DRAFT.format(steps): Walking(model, Walk(steps, strength=1.0)) for steps in (4, 20)}
    examples = [Example.of(clip, number, sizes) for number, clip in enumerate(Footage(data, "test"))]
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in (*with_draft, *without)}
    for number, example in enumerate(examples):
        strangers = examples[number - 1].windows  # somebody else's, at the same places
        for name, variant in with_draft.items():
            other_sound = name in WALKS and WALKS[name].other_sound
            made = made_frames(variant, example, example.drafts, strangers if other_sound else example.windows)
            found[name].append(errors.of(made, example))
        for name, variant in without.items():
            found[name].append(errors.of(made_frames(variant, example, example.others, example.windows), example))
    return len(examples), {name: np.nanmean(np.stack(each), 0) for name, each in found.items()}


def rows(found: Mapping[str, NDArray[np.float64]]) -> Iterator[str]:
    """Of a table: what was measured of each variant."""
    for name, (latents, mouth, inside) in found.items():
        yield f"| {name} | {latents:.4f} | {mouth:.2f} | {inside:.2f} |"


def main() -> None:
    """Measure the variants on a set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", type=Path, help="a set of rendered people, as `prepare --synthetic` writes it")
    parser.add_argument("--model", type=Path, default=REPOSITORY / "weights" / "difftalk-small")
    arguments = parser.parse_args()
    people, found = measured(arguments.model, arguments.set)
    print(f"| {people} people, {FRAMES_PER_CLIP} frames of each | latents | mouth | its inside |\n|---|---|---|---|")
    print("\n".join(rows(found)))


if __name__ == "__main__":
    main()
