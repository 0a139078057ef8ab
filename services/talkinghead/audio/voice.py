"""Text -> speech by packaged voices (hibari-tts, English)."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from hibari import Hibari
from hibari.voices import ASSETS, DEFAULT, VOICES, cache_dir, sha256_of
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.talkinghead.audio.decode import SpeechAudio, encode_speech
from services.talkinghead.schemas import Caption, VoiceView

MAX_CHARACTERS: Final = 5000

_SEED: Final = 0
"""Of the voice's breath noise: the same text gives the same samples."""


class Voices:
    """Reads a text aloud.

    One voice lies in the package. The others that hibari knows speak, too, once somebody has put their files into its
    cache folder (HIBARI_HOME); nothing is downloaded here, and a file that is not the published one is not read.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._loaded = {DEFAULT: Hibari(DEFAULT, threads=threads)}

    def views(self) -> list[VoiceView]:
        """The voices that can speak, the default one first."""
        return [
            VoiceView(name=name, language=known["language"], gender=known["gender"])
            for name, known in sorted(VOICES.items(), key=lambda item: item[0] != DEFAULT)
            if _path(name).is_file()
        ]

    def speak(self, text: str, rate: float, max_duration_s: float, voice: str | None = None) -> SpeechAudio:
        """``rate`` 0.5 (slow) to 2 (fast) sets the lengths of the voice's phonemes; its pitch stays.

        The voice reads sentence by sentence, so that the captions' times are those of its samples.

        Raises invalid_request (unknown voice; empty text, more than ``MAX_CHARACTERS``, nothing that can be spoken),
        audio_too_long.
        """
        if not text.strip():
            raise ProblemError("invalid_request", "text: it is empty; give something to say", param="text")
        if len(text) > MAX_CHARACTERS:
            raise ProblemError(
                "invalid_request", f"text: {len(text)} characters; at most {MAX_CHARACTERS} are spoken", param="text"
            )
        samples, captions = _read(self._voice(DEFAULT if voice is None else voice), text, rate)
        if not len(samples):
            raise ProblemError("invalid_request", f"text: nothing in {text[:40]!r} can be spoken", param="text")
        duration_s = len(samples) / Hibari.sample_rate
        if duration_s > max_duration_s:
            raise ProblemError(
                "audio_too_long",
                f"text: it lasts {duration_s:.0f} s spoken; the limit is {max_duration_s:g} s",
                param="text",
            )
        return replace(encode_speech(samples, Hibari.sample_rate), captions=captions)

    def _voice(self, name: str) -> Hibari:
        if name not in self._loaded:
            installed = [view.name for view in self.views()]
            if name not in installed:
                raise ProblemError(
                    "invalid_request", f"voice: {name!r} is not one of {installed}", param="voice", voices=installed
                )
            path = _path(name)
            if sha256_of(path) != VOICES[name]["sha256"]:
                raise ProblemError("model_unavailable", f"voice: {path} is not the published file of {name!r}")
            self._loaded[name] = Hibari(name, model=str(path), threads=self._threads)
        return self._loaded[name]


def _read(reader: Hibari, text: str, rate: float) -> tuple[NDArray[np.float32], tuple[Caption, ...]]:
    """(N,) samples of the whole text and its sentences; one that makes no sound has no caption."""
    noise = np.random.default_rng(_SEED)
    parts, captions, samples = [np.zeros(0, np.float32)], [], 0
    for sentence in Hibari.split_sentences(text):
        begin = samples
        for phonemes in reader.phonemize(sentence):  # several where the sentence is too long for the voice
            parts.append(reader.from_ids(reader.ids(phonemes), rate, noise))
            samples += len(parts[-1])
        if samples > begin:
            begin_s, end_s = begin / Hibari.sample_rate, samples / Hibari.sample_rate
            captions.append(Caption(begin_s=begin_s, end_s=end_s, text=" ".join(sentence.split())))
    return np.concatenate(parts), tuple(captions)


def _path(name: str) -> Path:
    known = VOICES[name]
    return Path(ASSETS if known.get("bundled") else cache_dir(), known["file"])
