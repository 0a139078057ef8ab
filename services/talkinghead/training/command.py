"""`train`: a configuration and a set in, a model out, stage by stage."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import Accelerator

from services.common.errors import ProblemError
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.speech.features.load import copy_encoder, values_of
from services.talkinghead.sync.expert import FRAMES, SyncExpert
from services.talkinghead.training.clips import Parts, heard, wave_of
from services.talkinghead.training.configuration import RESUMED_FREELY, TrainingConfiguration
from services.talkinghead.training.denoiser import DenoiserTraining, frames_in_a_row
from services.talkinghead.training.errors import TrainError
from services.talkinghead.training.first_stage import FirstStageTraining
from services.talkinghead.training.loop import Loop
from services.talkinghead.training.perceptual import PerceptualDistance
from services.talkinghead.training.run_folder import MODEL, RunFolder
from services.talkinghead.training.stage import Stage
from services.talkinghead.training.sync_expert import SyncExpertTraining


def train(
    configuration: TrainingConfiguration,
    data: Path,
    out: Path,
    settings: TalkingHeadSettings,
    *,
    start: Path | None = None,
    speech_encoder: Path | None = None,
) -> dict[str, Any] | None:
    """Train, or go on; returns the report, to one of the processes. Raises TrainError.

    Args:
        configuration: what to do.
        data: a set, as `prepare` writes it.
        out: the run's folder.
        settings: where the weights that ship are.
        start: a model's folder: its first stage is taken as it is, its denoiser goes on from there.
        speech_encoder: folder of the network that made the set's features, to go along with the model.
    """
    cv2.setNumThreads(1)  # examples are drawn side by side
    accelerator = Accelerator(mixed_precision=configuration.precision)
    sizes = _sizes(configuration, data, speech_encoder)
    folder = RunFolder(out, _told(configuration, sizes, data, start))
    report: dict[str, Any] = {"output": str(out / MODEL), "model": sizes.name, "steps": {}, "held_out": {}}
    with folder.owned() if accelerator.is_main_process else contextlib.nullcontext():
        accelerator.wait_for_everyone()
        for stage in _stages(configuration, sizes, data, settings, start):
            Loop(stage, configuration, accelerator, folder).run()
            report["steps"][stage.name] = stage.settings.steps
            report["held_out"][stage.name] = {name: round(value, 4) for name, value in stage.figures.items()}
        if speech_encoder is not None and accelerator.is_main_process:
            copy_encoder(speech_encoder, out / MODEL)
        accelerator.wait_for_everyone()
    return report if accelerator.is_main_process else None


def _stages(
    configuration: TrainingConfiguration,
    sizes: DiffTalkConfiguration,
    data: Path,
    settings: TalkingHeadSettings,
    start: Path | None,
) -> Iterator[Stage]:
    """One after the other: each begins with what those before it have learnt."""
    seed, square_px = configuration.seed, sizes.square_px

    frames = Parts.of(data, square_px=square_px, in_a_row=frames_in_a_row(configuration.denoiser))
    if configuration.denoiser.sync_weight > 0:
        wave_of(frames.train.clips[0])  # what is wrong with the set is told before days of work

    first_stage: FirstStage
    denoiser: Denoiser | None
    # 1. The first stage: pixels to latents and back
    torch.manual_seed(seed)  # of untrained weights: each stage's, for a run may go on with any of them
    if start is None:
        pictures = Parts.of(data, square_px=square_px, in_a_row=1)
        perceptual = _perceptual(settings)
        first = FirstStageTraining(sizes, configuration.first_stage, pictures, perceptual=perceptual, seed=seed)
        yield first
        first_stage, denoiser = first.first_stage, None
    else:
        first_stage, denoiser = _started_with(start, sizes)

    # 2. The sync expert: lips and sound
    expert: SyncExpert | None = None
    if configuration.denoiser.sync_weight > 0:
        torch.manual_seed(seed)
        moments = Parts.of(data, square_px=square_px, in_a_row=FRAMES)
        judging = SyncExpertTraining(configuration.sync_expert, moments, seed, configuration.weights_as)
        yield judging
        expert = judging.expert

    # 3. The denoiser, among the latents of the one and judged by the other
    torch.manual_seed(seed)
    yield DenoiserTraining(
        sizes,
        configuration.denoiser,
        frames,
        denoiser=denoiser or Denoiser(sizes),
        first_stage=first_stage,
        expert=expert,
        weights_as=configuration.weights_as,
        seed=seed,
    )


def _sizes(configuration: TrainingConfiguration, data: Path, speech_encoder: Path | None) -> DiffTalkConfiguration:
    """Of the model; checked against what the set holds."""
    kind = configuration.speech_features
    try:
        values = values_of(kind, speech_encoder)
        sizes = configuration.sizes(values)
    except ValueError as error:
        raise TrainError(f"speech_features: {error}") from None
    for part in Parts.of(data, square_px=sizes.square_px, in_a_row=1):
        clip = part.clips[0]
        found = heard(clip, kind).shape[1]
        if found != values:
            raise TrainError(f"data: {clip.name} has {kind} features of {found} values, {values} are expected")
    return sizes


def _told(
    configuration: TrainingConfiguration, sizes: DiffTalkConfiguration, data: Path, start: Path | None
) -> dict[str, Any]:
    """All that what is learnt depends on."""
    told = configuration.model_dump(mode="json", exclude=set(RESUMED_FREELY) | {"model"})
    parts = Parts.of(data, square_px=sizes.square_px, in_a_row=1)
    names = [clip.name for part in parts for clip in part.clips]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    starts_with = None if start is None else _digest(start)
    return {"model": asdict(sizes), **told, "data": {"clips": len(names), "names": digest}, "start": starts_with}


def _digest(model: Path) -> str:
    """Of a model's weights, wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(model.rglob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _started_with(start: Path, sizes: DiffTalkConfiguration) -> tuple[FirstStage, Denoiser]:
    try:
        found, denoiser, first_stage = checkpoint.load(start)
    except (OSError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise TrainError(f"start: {start} is no model that can be read ({error})") from None
    if replace(found, name=sizes.name) != sizes:
        theirs, ours = asdict(found), asdict(sizes)
        key = next(key for key in ours if key != "name" and theirs[key] != ours[key])
        raise TrainError(f"start: {start} is a model with {key} = {theirs[key]!r}, this run has {ours[key]!r}")
    return first_stage, denoiser


def _perceptual(settings: TalkingHeadSettings) -> PerceptualDistance:
    try:
        return PerceptualDistance.load(settings.weights_dir, settings.profile)
    except ProblemError as error:
        raise TrainError(f"weights: {error}") from None
