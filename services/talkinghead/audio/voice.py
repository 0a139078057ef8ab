"""Text -> speech by the packaged voice (hibari-tts, English)."""

from typing import Final

from hibari import Hibari

from services.common.errors import ProblemError
from services.talkinghead.audio.decode import SpeechAudio, encode_speech

MAX_CHARACTERS: Final = 5000

_SEED: Final = 0
"""Of the voice's breath noise: the same text gives the same samples."""


class Voice:
    """Reads a text aloud."""

    def __init__(self, threads: int) -> None:
        self._hibari = Hibari(threads=threads)

    def speak(self, text: str, rate: float, max_duration_s: float) -> SpeechAudio:
        """``rate`` 0.5 (slow) to 2 (fast) sets the lengths of the voice's phonemes; its pitch stays.

        Raises invalid_request (empty text, more than ``MAX_CHARACTERS``, nothing that can be spoken), audio_too_long.
        """
        if not text.strip():
            raise ProblemError("invalid_request", "text: it is empty; give something to say", param="text")
        if len(text) > MAX_CHARACTERS:
            raise ProblemError(
                "invalid_request", f"text: {len(text)} characters; at most {MAX_CHARACTERS} are spoken", param="text"
            )
        samples = self._hibari(text, speed=rate, seed=_SEED)
        if not len(samples):
            raise ProblemError("invalid_request", f"text: nothing in {text[:40]!r} can be spoken", param="text")
        duration_s = len(samples) / Hibari.sample_rate
        if duration_s > max_duration_s:
            raise ProblemError(
                "audio_too_long",
                f"text: it lasts {duration_s:.0f} s spoken; the limit is {max_duration_s:g} s",
                param="text",
            )
        return encode_speech(samples, Hibari.sample_rate)
