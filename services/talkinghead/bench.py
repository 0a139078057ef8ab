"""What the talking head costs, and what fewer denoising steps cost in quality. Figures have names, values and units.

The published way (DiffTalk's released sampler) is 200 DDIM steps, one frame after another, every latent computed anew
for each frame; it is run here with the same weights, so that only the way of sampling differs.
"""

import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from services.talkinghead.audio.decode import FEATURE_RATE_HZ, encode_speech
from services.talkinghead.bench_lengths import lasting, length_figures
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.audio_encoder import audio_windows
from services.talkinghead.difftalk.configuration import BASE_256
from services.talkinghead.difftalk.cost import cost
from services.talkinghead.difftalk.pipeline import DiffTalk, SourceLatents
from services.talkinghead.draft.motion import target_landmarks
from services.talkinghead.draft.warp import Canvas
from services.talkinghead.face.square import SQUARE_PX
from services.talkinghead.figure import Figure
from services.talkinghead.models import Models
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.portrait.analyse import Portrait
from services.talkinghead.schemas import FPS, SegmentOptions
from services.talkinghead.steadiness import leak, still_jitter

PUBLISHED_STEPS: Final = 200
STEPS: Final = (1, 2, 4, 8, 12, 20, 50, PUBLISHED_STEPS)
SEGMENT_FRAMES: Final = FPS

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class DraftedFrames:
    """N geometric drafts with all that the denoiser is told of them."""

    source: SourceLatents
    face: Bytes  # (128, 128, 3), the portrait's face square
    rest: NDArray[np.float32]  # (68, 2), its landmarks
    drafts: Bytes  # (N, 128, 128, 3)
    audio: NDArray[np.float32]  # (N, 8, 16, 11)
    landmarks: NDArray[np.float32]  # (N, 68, 2), targets


@dataclass(frozen=True)
class Quality:
    """Of frames made with few steps against those of ``PUBLISHED_STEPS``, over the face square (128 px)."""

    steps: int
    sampler: str
    psnr_db: float
    ssim: float
    frames_per_s: float


def bench(
    head: TalkingHead, models: Models, portrait: bytes, speech: bytes, frames: int, *, video: bytes | None = None
) -> dict[str, Any]:
    """All figures. ``frames`` are compared with the published sampler, which takes seconds for each; ``video`` is
    voiced anew by silence."""
    audio = head.read_speech(speech)
    _, prepared = head.prepare_speech(audio)
    analysed = head.portrait(portrait, None)
    rows = steps_against_quality(models, drafts(models, analysed, prepared, frames))
    figures = sampler_figures(rows) | base_figures()
    figures |= end_to_end(head, portrait, audio.samples)
    figures |= length_figures(head, portrait, audio.samples)
    figures |= steadiness_figures(head, models, portrait, video)
    return {"figures": {name: asdict(figure) for name, figure in figures.items()}, "steps": [asdict(r) for r in rows]}


def drafts(models: Models, portrait: Portrait, speech: PreparedSpeech, frames: int) -> DraftedFrames:
    """Evenly spread frames in which the mouth moves."""
    moving = np.flatnonzero(speech.actions.any(axis=1))
    chosen = moving[np.linspace(0, len(moving) - 1, min(frames, len(moving))).astype(int)]
    targets = target_landmarks(portrait.landmarks, speech.actions[chosen], models.action_basis)
    canvas = Canvas.of_square(SQUARE_PX)
    drawn = [portrait.warp.draw(portrait.face, canvas, portrait.warp.motion(target)) for target in targets]
    windows = audio_windows(speech.features)[chosen]
    return DraftedFrames(portrait.latents, portrait.face, portrait.landmarks, np.stack(drawn), windows, targets)


def steps_against_quality(models: Models, drafted: DraftedFrames) -> list[Quality]:
    """Frames of each number of steps against the published way's; the last row is the published way itself."""
    began = time.perf_counter()
    changes = [_published_frame(models, drafted, number) for number in range(len(drafted.drafts))]
    published = _applied(drafted.drafts, np.concatenate(changes))
    published_s = time.perf_counter() - began
    rows = []
    for sampler in ("ddim", "dpm-solver++"):
        for steps in STEPS[:-1]:
            began = time.perf_counter()
            change = _refiner(models).refine(
                drafted.source, drafted.drafts, drafted.audio, drafted.landmarks, steps=steps, seed=0, sampler=sampler
            )
            seconds = time.perf_counter() - began
            psnr_db, ssim = similarity(_applied(drafted.drafts, change), published)
            rows.append(Quality(steps, sampler, psnr_db, ssim, round(len(change) / seconds, 2)))
    return [*rows, Quality(PUBLISHED_STEPS, "published", np.inf, 1.0, len(drafted.drafts) / published_s)]


def _published_frame(models: Models, drafted: DraftedFrames, number: int) -> NDArray[np.float32]:
    one = slice(number, number + 1)
    source = _refiner(models).encode_source(drafted.face, drafted.rest)
    return _refiner(models).refine(
        source,
        drafted.drafts[one],
        drafted.audio[one],
        drafted.landmarks[one],
        steps=PUBLISHED_STEPS,
        seed=0,
        batch=1,
    )


def _refiner(models: Models) -> DiffTalk:
    if not isinstance(models.difftalk, DiffTalk):
        raise ValueError(f"the model {models.difftalk.configuration.name!r} refines no drafts, which is measured here")
    return models.difftalk


def similarity(made: Bytes, truth: Bytes) -> tuple[float, float]:
    """Mean PSNR in dB (infinite where all frames are equal) and mean SSIM over (N, h, w, 3) frames."""
    pairs = list(zip(made, truth, strict=True))
    psnr = [peak_signal_noise_ratio(b, a) for a, b in pairs if (a != b).any()] or [np.inf]
    ssim = [structural_similarity(a, b, channel_axis=2) for a, b in pairs]
    return round(float(np.mean(psnr)), 2), round(float(np.mean(ssim)), 4)


def _applied(squares: Bytes, change: NDArray[np.float32]) -> Bytes:
    shown: Bytes = np.clip(np.rint(squares + change), 0, 255).astype(np.uint8)
    return shown


def sampler_figures(rows: Sequence[Quality], steps: int = 4) -> dict[str, Figure]:
    """The service's default number of steps against the published way: how much faster, how far off."""
    ours = next(row for row in rows if (row.steps, row.sampler) == (steps, "ddim"))
    published = rows[-1]
    return {
        "published sampler": Figure(round(published.frames_per_s, 3), "frames/s"),
        f"{steps} steps, batched, latents kept": Figure(ours.frames_per_s, "frames/s"),
        "ratio": Figure(round(ours.frames_per_s / published.frames_per_s, 1), "times"),
        "psnr against published": Figure(ours.psnr_db, "dB"),
        "ssim against published": Figure(ours.ssim, ""),
    }


def base_figures() -> dict[str, Figure]:
    """Arithmetic of the paper's model: from it a GPU's frame rate follows."""
    base = cost(BASE_256)
    gflop = base.flops_per_unet_call / 1e9
    published_calls, our_calls = FPS * PUBLISHED_STEPS, FPS * 4
    return {
        "base-256 UNet parameters": Figure(base.unet_parameters, ""),
        "base-256 UNet call": Figure(round(gflop, 1), "GFLOP"),
        "base-256 as published, per second of video": Figure(published_calls, "UNet calls"),
        "base-256 as published, arithmetic": Figure(round(published_calls * gflop / 1e3, 1), "TFLOP/s of video"),
        "base-256 at 4 steps, arithmetic": Figure(round(our_calls * gflop / 1e3, 1), "TFLOP/s of video"),
    }


def end_to_end(head: TalkingHead, portrait: bytes, samples: NDArray[np.float32]) -> dict[str, Figure]:
    """Ten seconds of speech -> coded segments, warm; the first segment with all that comes before it."""
    audio = encode_speech(lasting(samples, 10), FEATURE_RATE_HZ)
    began = time.perf_counter()
    _, prepared = head.prepare_speech(audio)
    data = prepared.to_bytes()
    first_s = None
    for first in range(0, prepared.frames, SEGMENT_FRAMES):
        head.make_segment(portrait, data, _segment(first, prepared.frames), lambda: None)
        first_s = first_s or time.perf_counter() - began
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "10 s of speech": Figure(round(prepared.frames / seconds, 2), "frames/s"),
        "first segment after": Figure(round(first_s or 0.0, 2), "s"),
        "peak memory": Figure(round(peak_mb), "MB"),
    }


def steadiness_figures(head: TalkingHead, models: Models, portrait: bytes, video: bytes | None) -> dict[str, Figure]:
    """What moves in a mouth that has nothing to say."""
    still = still_jitter(head, models, portrait)
    figures = {"jitter: still portrait, silence, frame to frame": Figure(round(still, 3), "grey levels RMS")}
    if video is not None:
        found = leak(head, models, video)
        correlation = np.nan if found.correlation is None else round(found.correlation, 3)
        figures |= {
            "leak: correlation of the opening with the source's": Figure(correlation, ""),
            "leak: of the source's opening": Figure(round(100 * found.slope, 1), "%"),
            "leak: frames whose lips stand open": Figure(round(100 * found.open_frames, 1), "%"),
            "jitter: video voiced by silence": Figure(round(found.jitter, 2), "grey levels RMS"),
            "jitter: its source": Figure(round(found.source_jitter, 2), "grey levels RMS"),
        }
    return figures


def _segment(first: int, frames: int) -> SegmentOptions:
    return SegmentOptions(first_frame=first, frames=min(SEGMENT_FRAMES, frames - first))


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| figure | value |", "|---|---|"]
    lines += [f"| {name} | {f['value']:,} {f['unit']} |" for name, f in report["figures"].items()]
    lines += ["", "| steps | sampler | PSNR, dB | SSIM | frames/s |", "|---|---|---|---|---|"]
    lines += [
        f"| {r['steps']} | {r['sampler']} | {r['psnr_db']} | {r['ssim']} | {r['frames_per_s']:.2f} |"
        for r in report["steps"]
    ]
    return "\n".join(lines)


def draw(report: dict[str, Any], target: Path) -> None:
    """SSIM against the published way over the number of steps, as a picture."""
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for sampler in ("ddim", "dpm-solver++"):
        rows = [row for row in report["steps"] if row["sampler"] == sampler]
        axes.plot([row["steps"] for row in rows], [row["ssim"] for row in rows], marker="o", label=sampler)
    axes.set(xscale="log", xlabel="steps", ylabel=f"SSIM against {PUBLISHED_STEPS} steps", xticks=STEPS)
    axes.set_xticklabels(STEPS)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(target, bbox_inches="tight", dpi=150)
    plt.close(figure)
