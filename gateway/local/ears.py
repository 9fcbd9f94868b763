"""Speech to text for the phrases that an agent lists: pocketsphinx with a grammar.

Free dictation of telephone speech is beyond it; a grammar of some dozens of phrases is not.
"""

from __future__ import annotations

import asyncio
import os
import sys
import wave
from asyncio.subprocess import PIPE
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import Resampler
from gateway.errors import ConfigError
from gateway.local.script import Script

_OPTIONS = {
    "samprate": 16000,
    "cmn": "batch",  # every utterance is whole, so its own mean is known
    "lowerf": 200,  # Hz: a telephone passes 300 to 3400
    "upperf": 3700,
    "lw": 6,
    "bestpath": False,
}

_DITHER = np.rint(np.random.default_rng(1).normal(0, 120, 16000 * 4)).astype(np.int16)
"""Noise, 49 dB below full scale: a recogniser that was trained on rooms goes astray on digital silence."""


DICTATION_SECONDS = 600.0
"""For the words of one recording."""

NO_EARS = (
    "the embedded Realtime server has no recogniser, as there is no pocketsphinx for this Python: it hears that "
    "somebody speaks, and not what. Keys work, and gateway phone hands its words over as text"
)


def missing_ears() -> str:
    """`NO_EARS` where that is so; empty where words are heard."""
    return "" if find_spec("pocketsphinx") else NO_EARS


def dictate(audio: NDArray[np.int16], hz: int) -> str:
    """Any English words, roughly; empty where there are no ears. Takes about as long as the audio."""
    decoder = _dictation()
    if decoder is None:
        return ""
    wide = Resampler(hz, 16000).push(audio)
    decoder.start_utt()
    decoder.process_raw(wide.astype("<i2").tobytes(), False, True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis else ""


async def dictate_file(path: Path) -> str:
    """The words of a WAV, roughly, by a process of its own that gives way to all others. Raises ValueError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.local.ears", str(path), stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(DICTATION_SECONDS):
            words, problem = await process.communicate()
    except TimeoutError:
        raise ValueError(f"it took longer than {DICTATION_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ValueError(f"the recogniser failed: {problem.decode(errors='replace').strip()[-200:]}")
    return words.decode().strip()


def _dictate(path: str) -> str:
    os.nice(15)
    with wave.open(path, "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return dictate(samples, file.getframerate())


@cache
def _dictation() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError:  # no wheel for this Python
        return None
    return Decoder(loglevel="FATAL", lowerf=200, upperf=3700)


class Ears:
    """One recogniser, shared by all sessions of a script: every utterance is decoded in one go."""

    def __init__(self, name: str, script: Script) -> None:
        """Raises ConfigError for a word that the recogniser's dictionary does not have."""
        self._decoder: Any = None
        grammar = script.grammar()
        if not grammar and script.chat is None:
            return
        try:
            from pocketsphinx import Decoder
        except ImportError:  # no wheel for this Python: turns, keys and voice still work
            return
        if not grammar:
            self._decoder = Decoder(loglevel="FATAL")  # with its own model of English: any words, less surely
            return
        decoder = Decoder(loglevel="FATAL", lm=None, **_OPTIONS)
        for word in sorted(script.words()):
            if decoder.lookup_word(word) is None:
                raise ConfigError(name, f"the word {word!r} is not in the recogniser's dictionary; choose another")
        decoder.add_jsgf_string("agent", grammar)
        decoder.activate_search("agent")
        self._decoder = decoder

    def understand(self, audio: NDArray[np.int16]) -> str:
        """int16 at 16 kHz to text; empty where it is none of the phrases. Takes some tens of ms."""
        if self._decoder is None or not audio.any():
            return ""
        self._decoder.start_utt()
        noisy = audio.astype(np.int32) + np.resize(_DITHER, len(audio))
        self._decoder.process_raw(
            np.clip(noisy, np.int32(-32768), np.int32(32767)).astype(np.int16).tobytes(), False, True
        )
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis else ""


if __name__ == "__main__":
    print(_dictate(sys.argv[1]))
