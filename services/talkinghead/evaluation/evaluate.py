"""A clip is made to talk, and what was made is measured beside the truth and beside trivial answers.

Driven by its own sound the clip itself is the truth; driven by another sound, likeness is measured against the old
video, whose mouth says something else, and ``leak_correlation`` tells whether the new mouth still follows it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.talkinghead.audio.decode import FEATURE_RATE_HZ, SpeechAudio, encode_speech
from services.talkinghead.evaluation.figures import Measured, Sound, loudness, measure
from services.talkinghead.evaluation.film import Film
from services.talkinghead.evaluation.judges import Judges
from services.talkinghead.evaluation.subject import Shot, Subject, open_subject
from services.talkinghead.evaluation.take import Take, with_mouth
from services.talkinghead.evaluation.variants import Walking, heard_elsewhere
from services.talkinghead.models import Models
from services.talkinghead.pipeline import TalkingHead

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]

SILENCE_S: Final = 1.0
_ROOM_RMS: Final = 10 ** (-50 / 20)
"""-50 dBFS of noise, as in a quiet room: nobody speaks, but it is no digital zero either."""
_SILENT_SHARE: Final = 0.03
"""Of the loudness that a tenth of the frames exceed: below it (30 dB less) a frame of real sound is silent."""


@dataclass(frozen=True)
class ClipReport:
    """One clip; ``rows`` are ``made``, ``ground_truth``, ``copy_reference``, ``mean_frame``, and variants by name."""

    clip: str
    speech: str | None
    """The other sound; None: its own."""
    frames: int
    """Measured: those whose lips were edited."""
    fps: float
    rest_opening: float
    sound: Sound
    rows: dict[str, Measured]
    openings: dict[str, Floats]  # (N,) of each row, in mouth widths


def evaluate_clip(
    head: TalkingHead,
    models: Models,
    judges: Judges,
    clip: Path,
    *,
    speech: Path | None = None,
    out: Path,
    seconds: float | None = None,
    variants: Mapping[str, Walking] = MappingProxyType({}),
) -> ClipReport:
    """Measure one clip, or a portrait that talks with ``speech``; the folder ``out`` receives the film.

    ``seconds`` cuts long clips; ``variants`` are measured, too, but for the quiet room. Raises OSError, the errors of
    reading videos, portraits and speech, and audio_empty where there is no sound.
    """
    # 1. The clip, and the sound that drives it
    subject = open_subject(head, models, clip)
    audio = subject.own_sound if speech is None else head.read_speech(speech.read_bytes())
    if audio is None:
        raise ProblemError("audio_empty", f"{clip}: a portrait has no sound of its own; give --speech", param="speech")
    _, prepared = head.prepare_speech(audio)
    frames = subject.frames(prepared)
    if seconds is not None:
        frames = min(frames, max(3, round(seconds * subject.fps)))

    # 2. Truth and made frames, filmed side by side
    film = Film(subject.fps)
    numbers, truths, mades = _watch(film.recorded(subject.shots(prepared, frames)))
    film.save(out / f"{clip.stem}.mp4", audio.soundtrack)
    truth, made = (Take.of(squares, judges.landmarks) for squares in (truths, mades))

    # 3. Trivial answers: the first frame's mouth, and the mean of all
    takes = {
        "made": made,
        "ground_truth": truth,
        "copy_reference": Take.of(with_mouth(truth.squares, truth.squares[0]), judges.landmarks),
        "mean_frame": Take.of(with_mouth(truth.squares, truth.squares.mean(0)), judges.landmarks),
    }
    for name, model in variants.items():
        heard = heard_elsewhere(prepared) if model.walk.other_sound else prepared
        _, _, others = _watch(subject.made_by(model).shots(heard, frames))
        takes[name] = Take.of(others, judges.landmarks)

    # 4. Figures
    times_s = (numbers + 0.5) / float(subject.fps)
    sound = Sound(times_s, audio.samples, judges.phones(audio.samples))
    silent = _own_silence(subject, times_s)
    in_silence = {name: None if name in variants else _mean(take.opening[silent]) for name, take in takes.items()}
    in_silence["made"] = _mean(_quiet_room(head, subject, judges).opening)
    return ClipReport(
        clip=clip.name,
        speech=speech.name if speech else None,
        frames=len(numbers),
        fps=float(subject.fps),
        rest_opening=subject.rest_opening,
        sound=sound,
        rows={name: measure(take, truth, sound, judges, in_silence[name]) for name, take in takes.items()},
        openings={name: take.opening for name, take in takes.items()},
    )


def _watch(shots: Iterable[Shot]) -> tuple[NDArray[np.int64], list[Bytes], list[Bytes]]:
    """Numbers and face squares, true and made, of the frames whose lips were edited."""
    numbers, truths, mades = [], [], []
    for number, shot in enumerate(shots):
        if shot.square is not None:
            numbers.append(number)
            truths.append(shot.square.cut(shot.truth))
            mades.append(shot.square.cut(shot.made))
    if len(numbers) < 3:
        raise ProblemError(
            "no_face", f"clip: {len(numbers)} of its frames show a face whose lips can be edited; 3 are needed"
        )
    return np.array(numbers), truths, mades


def _own_silence(subject: Subject, times_s: Floats) -> NDArray[np.bool_]:
    """(N,) where the video's own sound, whatever drives it, is silent; everywhere for a portrait."""
    if subject.own_sound is None:
        return np.ones(len(times_s), np.bool_)
    level = loudness(subject.own_sound.samples, times_s)
    return np.asarray(level < _SILENT_SHARE * np.percentile(level, 90))


def _quiet_room(head: TalkingHead, subject: Subject, judges: Judges) -> Take:
    """What is made while nobody speaks."""
    _, prepared = head.prepare_speech(quiet_room(SILENCE_S))
    _, _, mades = _watch(subject.shots(prepared, subject.frames(prepared)))
    return Take.of(mades, judges.landmarks)


def quiet_room(seconds: float) -> SpeechAudio:
    """Noise and nothing else."""
    samples = _ROOM_RMS * np.random.default_rng(0).standard_normal(round(seconds * FEATURE_RATE_HZ))
    return encode_speech(samples.astype(np.float32), FEATURE_RATE_HZ)


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
