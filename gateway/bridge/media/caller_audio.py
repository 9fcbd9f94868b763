"""The caller's voice on its way to the agent: PCM16 at 24 kHz, or G.711 as it is, on a clock that never stops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.media.batch_upsample import BatchUpsample
from gateway.bridge.media.echo_guard import EchoGuard
from gateway.bridge.media.recorder import Recorder
from gateway.codecs import Concealer, KeyDetector, Law, Resampler, Sound, SpeechDetector, g711
from gateway.rtp import Gap

FRAME_MS = 20
CLOCK_HZ = 8000
"""Of the RTP timestamps, in which gaps are counted."""
QUIET_MS = 100
"""When nothing has come for this long the sender has paused, and its silence is filled in as time goes by."""

_REMEMBERED = 4  # packets, for the concealment of what comes after them


class CallerAudio:
    """`append` gets chunks of `chunk_ms`. Loss is concealed; pauses and hold become silence of their own length."""

    def __init__(self, sound: Sound, chunk_ms: int, append: Callable[[bytes], None], upsample: BatchUpsample) -> None:
        self.append: Callable[[bytes], None] | None = append  # None: no agent hears it
        self._chunk = self._whole_chunk = chunk_ms * 48  # bytes
        self._pending = b""
        self._upsample = upsample
        self.row = upsample.join()
        self.sound = sound
        self._wanted: Law | None = None  # by the provider, as it is
        self.quiet_ms = 0  # since the last packet
        self._filled = 0  # of silence, in ticks of the RTP clock, that were filled in before a gap explained them
        self.input_muted = False
        self._recent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._concealer = Concealer(sound.hz)
        self._keys: KeyDetector | None = None
        self._narrow: Resampler | None = None  # for the keys
        self._on_key: Callable[[str], None] = lambda key: None
        self.recorder: Recorder | None = None
        self.fault: Callable[[Exception], None] = lambda error: None  # hears of a bug in what follows
        self.echo: EchoGuard | None = None  # where the line is watched for one
        self._speech: SpeechDetector | None = None
        self._agent_is_heard: Callable[[], bool] = lambda: False
        self._on_speech: Callable[[], None] = lambda: None

    def pass_on(self, law: Law | None) -> None:
        """The provider takes G.711: nothing is converted, or only from one law to the other. None: PCM again."""
        self._wanted, self._chunk = law, self._whole_chunk // 6 if law else self._whole_chunk
        self._pending = b""

    def find_keys(self, on_key: Callable[[str], None]) -> None:
        """Listen for keys that are pressed within the audio; the agent hears silence in their place."""
        self._keys, self._on_key = KeyDetector(), on_key

    def find_no_keys(self) -> None:
        self._keys = None

    def find_no_speech(self) -> None:
        self._speech = None

    def find_speech(self, after_ms: int, while_: Callable[[], bool], on_speech: Callable[[], None]) -> None:
        """Tell when a voice has stood out of the line's noise for `after_ms`, at times of interest."""
        self._speech = SpeechDetector(after_ms)
        self._agent_is_heard, self._on_speech = while_, on_speech

    def use(self, sound: Sound) -> None:
        """What comes next is coded in."""
        if sound is not self.sound:
            self._upsample.restart(self)
            self._recent.clear()
            self.sound, self._concealer = sound, Concealer(sound.hz)
            self._narrow = Resampler(sound.hz, CLOCK_HZ) if sound.hz != CLOCK_HZ else None

    def audio(self, payload: bytes) -> None:
        """The next that was said, in `sound`."""
        self.quiet_ms = self._filled = 0  # a gap that explains what was filled in comes just before
        if self.append is None and not (self._speech or self._keys or self.recorder):
            self._recent.append(payload)
            return
        if self.echo:
            payload = self.echo.heard(payload, self.sound)
        if self._speech and not self.input_muted:
            self._listen(self._speech, payload)
        if self.input_muted or self._keys or self._concealer.active:
            payload = self._with_care(payload)
        self._recent.append(payload)
        self._put(payload)

    def _with_care(self, payload: bytes) -> bytes:
        """What is heard of it: after a loss, while keys may be in it, or by the deaf."""
        samples, tones = self._linear(payload), False
        if self._keys:
            keys, tones = self._keys.push(self._narrow.push(samples) if self._narrow else samples)
            for key in keys:
                self._on_key(key)
        if self.input_muted or tones:
            return self.sound.quiet(len(samples))
        return self.sound.coded(self._concealer.blend(samples)) if self._concealer.active else payload

    def _listen(self, detector: SpeechDetector, payload: bytes) -> None:
        if not self._agent_is_heard():
            detector.reset()
        samples = self._linear(payload)
        if detector.push(samples, len(samples) * 1000 / self.sound.hz) and self._agent_is_heard():
            detector.reset()
            self._on_speech()

    def gap(self, gap: Gap) -> None:
        explained = min(gap.samples, self._filled)
        self._filled -= explained
        missing = gap.samples - explained
        if missing <= 0:
            return
        if gap.lost and not explained and not self.input_muted:
            samples = missing * self.sound.hz // CLOCK_HZ
            self._pass_by(missing)
            self._put(self.sound.coded(self._concealer.conceal(samples, lambda: self._linear(b"".join(self._recent)))))
        else:
            self._pass_by(missing)
            self._put(self._silence(missing))

    def _pass_by(self, ticks: int) -> None:
        """Time in which nothing was heard, for what keeps time by what is."""
        if self.echo:
            self.echo.heard(self._silence(ticks), self.sound)

    @property
    def latest(self) -> bytes:
        """What this party said last; nothing where that was some time ago."""
        return self._recent[-1] if self._recent and self.quiet_ms <= QUIET_MS else b""

    def tick(self, waiting: bool = False) -> None:
        """Once in 20 ms. `waiting`: packets have come, and wait behind a hole that will be concealed."""
        self.quiet_ms += FRAME_MS
        if self.quiet_ms > QUIET_MS and not waiting:
            ticks = FRAME_MS * CLOCK_HZ // 1000
            self._filled += ticks
            self._pass_by(ticks)
            self._put(self._silence(ticks))

    def _put(self, codes: bytes) -> None:
        if self.recorder:
            self.recorder.caller(codes)
        if self.append is None:
            return
        if self._wanted is None:
            self._upsample.put(self, codes)
        else:
            assert isinstance(self.sound, Law)  # nothing wider is offered where an agent wants G.711
            self.converted(codes if self.sound is self._wanted else g711.translate(codes, self.sound, self._wanted))

    def _linear(self, codes: bytes) -> NDArray[np.int16]:
        return self.sound.linear(codes)

    def _silence(self, ticks: int) -> bytes:
        return self.sound.quiet(ticks * self.sound.hz // CLOCK_HZ)

    def converted(self, pcm: bytes) -> None:
        """What the provider takes, in order."""
        if self.append is None:  # since it was put here
            self._pending = b""
            return
        if len(pcm) == self._chunk and not self._pending:  # the usual case
            self.append(pcm)
            return
        self._pending += pcm
        while len(self._pending) >= self._chunk:
            chunk, self._pending = self._pending[: self._chunk], self._pending[self._chunk :]
            self.append(chunk)

    def close(self) -> None:
        """Once, at the end."""
        self._upsample.leave(self)
