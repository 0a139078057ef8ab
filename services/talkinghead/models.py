"""All models of the service, loaded from ``weights/``, and which of them are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.common.faces.finder import FaceFinder
from services.common.registry import verified_folder
from services.talkinghead.audio.voice import Voices
from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.pipeline import DiffTalk
from services.talkinghead.difftalk.published import PublishedDiffTalk
from services.talkinghead.draft.action_basis import load_action_basis
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.speech.features.extractor import FeatureExtractor
from services.talkinghead.speech.features.load import load_extractor
from services.talkinghead.speech.network import SpeechNetwork

READY: Final = "ready"


@dataclass(frozen=True)
class Models:
    """What the pipeline needs, in the order of use."""

    faces: FaceFinder
    voices: Voices
    speech: SpeechNetwork
    action_basis: NDArray[np.float32]  # (11, 68, 2)
    difftalk: DiffTalk | PublishedDiffTalk
    features: FeatureExtractor
    """What the model hears of the speech."""


def load_models(settings: TalkingHeadSettings) -> tuple[Models | None, dict[str, str]]:
    """Models and the state of each: "ready" or why not. Models are None where one is missing."""
    weights_dir, profile, threads = settings.weights_dir, settings.profile, settings.threads
    torch.set_num_threads(threads)
    loaded: dict[str, Any] = {}
    loaders: dict[str, Callable[[], Any]] = {
        "faces": lambda: FaceFinder.load(weights_dir, threads, profile),
        "voices": lambda: Voices(threads),
        "speech": lambda: SpeechNetwork.load(verified_folder(weights_dir, "speech", profile)),
        "action_basis": lambda: load_action_basis(verified_folder(weights_dir, "draft", profile)),
        "difftalk": lambda: _load_difftalk(_difftalk_folder(settings), settings),
        # last: it needs the two before
        "features": lambda: load_extractor(
            _difftalk_folder(settings), loaded["difftalk"].configuration, loaded["speech"]
        ),
    }
    states: dict[str, str] = {}
    for name, load in loaders.items():
        try:
            loaded[name] = load()
            states[name] = READY
        except (ProblemError, OSError, ValueError, KeyError, RuntimeError) as error:
            states[name] = f"{type(error).__name__}: {error}"
    if len(loaded) < len(loaders):
        return None, states
    return Models(**loaded), states


def _load_difftalk(folder: Path, settings: TalkingHeadSettings) -> DiffTalk | PublishedDiffTalk:
    configuration, denoiser, first_stage = checkpoint.load(folder)
    kind = DiffTalk if configuration.refines_draft else PublishedDiffTalk
    model = kind(configuration, denoiser, first_stage)
    settings.execution.apply(denoiser, first_stage)
    return model


def _difftalk_folder(settings: TalkingHeadSettings) -> Path:
    """The small model, each file checked, or the folder that the settings name."""
    if settings.talkinghead_model is None:
        return verified_folder(settings.weights_dir, "difftalk-small", settings.profile)
    return settings.talkinghead_model
