"""Training pairs from rendered clips: `python -m services.talkinghead.training.pairs DATA OUT`.

A pair is a draft and the truth it should have been: one frame of a still clip (the reference) is warped to the
landmarks of another (the target) by the very warp that the service uses. What the warp cannot know (teeth, tongue, the
shade of an open mouth, folded lips) is then what the denoiser learns to add.

Clips are NNNN.npz with `frames` (N, 128, 128, 3) uint8 aligned squares, `lm` (N, 68, 2) pixels, `act` (T, 11) facial
actions at 25 fps, `idx` (N,) frame numbers within them, `still`. The first frame is the face at rest.
"""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from services.talkinghead.difftalk.audio_encoder import actions_as_features, audio_windows
from services.talkinghead.difftalk.configuration import SMALL, PixelWindow
from services.talkinghead.draft.warp import warp_square

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

DETECTOR_NOISE_PX = 0.5
"""Landmarks of a real portrait are detected, not known: the warp must be mended where they are off."""
SHIFT_ERROR = 0.06
"""Spread of the factor on the target's shift. Small: the model should mend the draft, not doubt its shape."""
EXACT_SHARE = 0.5
OTHER_REFERENCE_SHARE = 0.5
"""Targets that are drafted from a second, random reference as well: portraits do not all have their mouths shut."""


@dataclass(frozen=True)
class PairGroup:
    """All pairs of one clip that share one reference frame; pictures are cut to the model's window (h, w)."""

    reference: Bytes  # (h, w, 3)
    drafts: Bytes  # (n, h, w, 3)
    targets: Bytes  # (n, h, w, 3)
    audio: Floats  # (n, 8, 16, 11)
    landmarks: Floats  # (n, 68, 2), pixels of the whole square
    frame_numbers: npt.NDArray[np.int64]  # (n,)

    def save(self, path: Path) -> None:
        """Write as .npz, whole or not at all."""
        unfinished = path.with_name(f"unfinished-{path.name}")
        np.savez(unfinished, **{f.name: getattr(self, f.name) for f in fields(self)})
        unfinished.rename(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})


def cut(squares: Bytes, window: PixelWindow) -> Bytes:
    """Squares (..., 128, 128, 3) -> (..., h, w, 3)."""
    return squares[..., window.top : window.top + window.height, window.left : window.left + window.width, :]


def draft_with_error(square: Bytes, source: Floats, target: Floats, rng: np.random.Generator) -> Bytes:
    """Warp `square` from `source` to `target` landmarks (68, 2), both as wrong as detected ones are."""
    noise = DETECTOR_NOISE_PX * rng.standard_normal((68, 2))
    shift = (target - source) * (1.0 + SHIFT_ERROR * rng.standard_normal())
    detected = (source + noise).astype(np.float32)
    return warp_square(square, detected, (detected + shift).astype(np.float32))


def make_group(
    clip: dict[str, npt.NDArray[np.generic]],
    reference: int,
    targets: npt.NDArray[np.int64],
    rng: np.random.Generator,
    window: PixelWindow = SMALL.window,
) -> PairGroup:
    """Drafts of the frames `targets` (positions in the clip) from the frame `reference`."""
    frames = clip["frames"].astype(np.uint8)
    landmarks, numbers = clip["lm"].astype(np.float32), clip["idx"].astype(np.int64)
    windows = audio_windows(actions_as_features(clip["act"].astype(np.float32)))
    drafts = [
        warp_square(frames[reference], landmarks[reference], landmarks[target])
        if rng.random() < EXACT_SHARE
        else draft_with_error(frames[reference], landmarks[reference], landmarks[target], rng)
        for target in targets
    ]
    return PairGroup(
        reference=cut(frames[reference], window),
        drafts=cut(np.stack(drafts), window),
        targets=cut(frames[targets], window),
        audio=windows[numbers[targets]],
        landmarks=landmarks[targets],
        frame_numbers=numbers[targets],
    )


def make_pairs(data: Path, out: Path, seed: int = 0) -> int:
    """Draft all still clips of `data` into `out`; clips that are there already are left alone. Returns clips made."""
    out.mkdir(parents=True, exist_ok=True)
    made = 0
    for path in sorted(data.glob("[0-9]*.npz")):
        last = out / f"{path.stem}-other.npz"
        if last.exists():
            continue
        with np.load(path) as stored:
            if not stored["still"]:
                continue
            clip = {name: stored[name] for name in ("frames", "lm", "act", "idx")}
        rng = np.random.default_rng([seed, int(path.stem)])
        count = len(clip["frames"])
        make_group(clip, 0, np.arange(1, count), rng).save(out / f"{path.stem}-rest.npz")
        targets = np.sort(rng.choice(count, round(count * OTHER_REFERENCE_SHARE), replace=False))
        make_group(clip, int(rng.integers(1, count)), targets, rng).save(last)
        made += 1
    return made


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of NNNN.npz clips")
    parser.add_argument("out", type=Path, help="folder to write")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{make_pairs(arguments.data, arguments.out)} clips drafted")


if __name__ == "__main__":
    main()
