"""Rooms, microphones and noises: what lies between a voice and a recording of it."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from services.talkinghead.speech.actions import SAMPLE_RATE_HZ

Wave = NDArray[np.float32]


def noise(rng: np.random.Generator, samples: int) -> Wave:
    """Noise of a random colour (power falls with f to the 0 .. 2) and unit root mean square."""
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    colour = np.maximum(frequencies, 30.0) ** (-rng.uniform(0, 1))
    coloured = np.fft.irfft(np.fft.rfft(rng.normal(size=samples)) * colour, samples)
    return np.asarray(coloured / (coloured.std() + 1e-9), np.float32)


def tones(rng: np.random.Generator, samples: int) -> Wave:
    """Hum or plucked notes with overtones, unit root mean square: loud, harmonic, and no speech."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    out = np.zeros(samples)
    for _ in range(int(rng.integers(1, 12))):
        pitch_hz, start_s = rng.uniform(50, 800), rng.uniform(0, time_s[-1])
        decay_s = rng.uniform(0.1, 3)
        envelope = np.where(time_s < start_s, 0.0, np.exp(-np.maximum(time_s - start_s, 0) / decay_s))
        for overtone in range(1, 6):
            out += envelope * rng.uniform(0, 1 / overtone) * np.sin(2 * np.pi * pitch_hz * overtone * time_s)
    return np.asarray(out / (out.std() + 1e-9), np.float32)


def reverberate(rng: np.random.Generator, wave: Wave) -> Wave:
    """A decaying noise as the room's answer; the direct sound stays where it was."""
    decay_s = rng.uniform(0.03, 0.12)  # reverberation time of 0.2 to 0.8 s
    length = int(5 * decay_s * SAMPLE_RATE_HZ)
    answer = rng.normal(size=length) * np.exp(-np.arange(length) / SAMPLE_RATE_HZ / decay_s)
    answer *= rng.uniform(0.1, 0.7) / np.sqrt((answer**2).sum())
    answer[0] = 1.0
    return np.asarray(fftconvolve(wave, answer)[: len(wave)], np.float32)


def band_limit(rng: np.random.Generator, wave: Wave) -> Wave:
    """A telephone, a dull or a thin microphone."""
    low_hz, high_hz = rng.uniform(40, 350), rng.uniform(3000, 7500)
    sections = butter(2, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(sosfilt(sections, wave), np.float32)


def degrade(rng: np.random.Generator, wave: Wave) -> Wave:
    """Room, microphone, noise at 5 to 60 dB below the voice, and any recording level."""
    if rng.random() < 0.4:
        wave = reverberate(rng, wave)
    if rng.random() < 0.4:
        wave = band_limit(rng, wave)
    voice_rms = float(np.sqrt((wave**2).mean())) + 1e-6
    if rng.random() < 0.75:
        wave = wave + noise(rng, len(wave)) * voice_rms * 10 ** (-rng.uniform(5, 60) / 20)
    if rng.random() < 0.1:
        wave = wave + tones(rng, len(wave)) * voice_rms * 10 ** (-rng.uniform(10, 40) / 20)
    peak = float(np.abs(wave).max()) + 1e-6
    return np.asarray(wave / peak * 10 ** rng.uniform(-1.7, -0.02), np.float32)
