"""Synthetic voices that tell when each phone starts: espeak-ng (formants, 128 voices) and flite (recorded voices)."""

import ctypes
import itertools
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from services.talkinghead.speech.actions import SAMPLE_RATE_HZ

ACCENTS: Final = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp")
VARIANTS: Final = (  # noqa: SIM905 - a list of words reads best as words
    "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 Alex Andrea Annie Lee Mike steph "
    "linda anika adam caleb belinda david edward grandma grandpa michel quincy rob travis klatt2"
).split()
ESPEAK_VOICES: Final = tuple(f"{accent}+{variant}" for accent in ACCENTS for variant in VARIANTS)
FLITE_VOICES: Final = ("slt", "rms", "awb", "kal16")


@dataclass(frozen=True)
class Utterance:
    """``wave``: float32 mono at 16 kHz in [-1, 1]; ``phones``: (start in s, IPA), the last one marks the end."""

    wave: NDArray[np.float32]
    phones: list[tuple[float, str]]


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_PHONEME_EVENT = 7
_SYNCHRONOUS = 2
_PHONEME_EVENTS_IN_IPA = 1 | 2
_UTF8 = 1
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_ESPEAK_RATE_HZ = 22_050


class Espeak:
    """The espeak-ng library by ctypes: its command line prints no phone times. One instance per process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IN_IPA)
        if rate_hz != _ESPEAK_RATE_HZ:
            raise RuntimeError(f"espeak-ng started with {rate_hz} Hz, expected {_ESPEAK_RATE_HZ} Hz")
        self._chunks: list[bytes] = []
        self._phones: list[tuple[float, str]] = []
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = prototype(self._collect)  # kept, or ctypes frees what the library still calls
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, n_samples: int, events: Any) -> int:
        if samples and n_samples > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * n_samples))
        for event in itertools.takewhile(lambda event: event.type, (events[i] for i in itertools.count())):
            if event.type == _PHONEME_EVENT:
                ipa = event.id.string.decode("utf8", "ignore")
                self._phones.append((event.audio_position / 1000, ipa))
        return 0

    def say(
        self, text: str, voice: str, words_per_minute: float = 165, pitch: float = 50, pitch_range: float = 50
    ) -> Utterance:
        """``voice`` is one of ``ESPEAK_VOICES``; pitch and its range are espeak's 0 to 100."""
        self._chunks, self._phones = [], []
        self._library.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, int(value), 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        pcm = np.frombuffer(b"".join(self._chunks), np.int16).astype(np.float32) / 32768
        return Utterance(resample_poly(pcm, 320, 441).astype(np.float32), list(self._phones))


_ARPABET: Final = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "b": "b", "ch": "tʃ",
    "d": "d", "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "l", "em": "m", "en": "n", "er": "ɜ", "ey": "eɪ", "f": "f",
    "g": "ɡ", "hh": "h", "hv": "h", "ih": "ɪ", "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n",
    "nx": "n", "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ",
    "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
    "pau": "", "h#": "", "brth": "",
}  # fmt: skip


def flite(text: str, voice: str, stretch: float = 1.0, pitch_hz: float | None = None) -> Utterance:
    """Flite's command line; ``voice`` is one of ``FLITE_VOICES``, ``stretch`` > 1 speaks slower."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["flite", "-psdur", "-voice", voice, "--setf", f"duration_stretch={stretch}"]
        if pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={pitch_hz}"]
        listing = subprocess.run(  # noqa: S603 - a fixed program, arguments from our own grammar
            [*command, "-t", text, "-o", str(path)], check=True, capture_output=True, text=True
        ).stdout
        rate_hz, pcm = wavfile.read(path)
    starts, phones = 0.0, []
    for name, end in re.findall(r"(\S+):([\d.]+)", listing):
        phones.append((starts, _ARPABET[name]))
        starts = float(end)
    phones.append((starts, ""))
    wave = resample_poly(pcm.astype(np.float32) / 32768, SAMPLE_RATE_HZ, rate_hz).astype(np.float32)
    return Utterance(wave, phones)
