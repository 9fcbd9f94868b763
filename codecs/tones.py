"""What is heard while nobody speaks: a tune made here or a WAV file on hold, noise on a line that is only quiet."""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from .sound import Sound

HZ = 24000

_LOWEST, _HIGHEST = np.float32(-32768), np.float32(32767)

_NOTES = (392.0, 493.88, 587.33, 493.88, 440.0, 523.25, 659.26, 523.25)  # Hz: two broken chords, G and A minor
_NOTE_SECONDS, _PAUSE_SECONDS = 0.6, 1.2
_LEVEL = 2600  # of 32767: about -22 dB, well below speech


@cache
def hold_tune() -> NDArray[np.int16]:
    """A quiet tune of eight notes, int16 at 24 kHz, to be played in a loop."""
    moment = np.arange(int(_NOTE_SECONDS * HZ)) / HZ
    envelope = (1 - np.exp(-moment / 0.005)) * np.exp(-3 * moment)
    notes = [envelope * (np.sin(2 * np.pi * hz * moment) + 0.3 * np.sin(4 * np.pi * hz * moment)) for hz in _NOTES]
    tune = np.concatenate([*notes, np.zeros(int(_PAUSE_SECONDS * HZ))])
    return (_LEVEL * tune).astype(np.int16)


@cache
def ringing_tone() -> NDArray[np.int16]:
    """425 Hz for 1 s, then 4 s of silence (ITU-T E.180 supplement 2), int16 at 24 kHz, to be played in a loop."""
    moment = np.arange(HZ) / HZ
    swell = np.sqrt(np.sin(np.pi * moment))  # no click at either end
    return np.concatenate((3000 * swell * np.sin(2 * np.pi * 425 * moment), np.zeros(4 * HZ))).astype(np.int16)


def read_wav(path: Path) -> NDArray[np.int16]:
    """A WAV of 16 bits as int16 at 24 kHz, its channels mixed into one. Raises OSError, ValueError."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{path} has samples of {8 * file.getsampwidth()} bits; 16 are needed")
            rate, channels = file.getframerate(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV of plain PCM: {error}") from error
    mixed: NDArray[np.float32] = samples.mean(axis=1).astype(np.float32)
    converted: NDArray[np.float32] = soxr.resample(mixed, rate, HZ) if rate != HZ else mixed
    whole: NDArray[np.int16] = np.clip(np.rint(converted), _LOWEST, _HIGHEST).astype(np.int16)
    return whole


@cache
def comfort_noise(sound: Sound, dbm0: float) -> bytes:
    """Four seconds of even noise at that level: what a quiet line sounds like (RFC 3389 says why)."""
    peak = 32124 / 10 ** (3.14 / 20)  # of a sine at 0 dBm0
    noise = np.random.default_rng(0).normal(0, peak / 2**0.5 * 10 ** (dbm0 / 20), 4 * sound.hz)
    return sound.coded(noise.astype(np.int16))


@cache
def beep() -> bytes:
    """1,000 Hz for 0.4 s, PCM16 at 24 kHz: speak now."""
    moment = np.arange(int(0.4 * HZ)) / HZ
    swell, edge = np.ones(len(moment)), HZ // 100  # no click at either end
    swell[:edge] = np.arange(edge) / edge
    swell[-edge:] = np.arange(edge)[::-1] / edge
    tone: NDArray[np.int16] = (8000 * swell * np.sin(2 * np.pi * 1000 * moment)).astype("<i2")
    return tone.tobytes()
