"""The caller's voice on its way to the agent: G.711 in, PCM16 at 24 kHz (or G.711) out, on a clock that never stops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.recorder import Recorder
from gateway.bridge.upstream import Upstream
from gateway.codecs import Codec, Concealer, KeyDetector, SpeechDetector, g711
from gateway.rtp import Gap

FRAME_MS = 20
QUIET_MS = 100
"""When nothing has come for this long the sender has paused, and its silence is filled in as time goes by."""

_REMEMBERED = 4  # packets, for the concealment of what comes after them


class Uplink:
    """`append` gets chunks of `chunk_ms`. Loss is concealed; pauses and hold become silence of their own length."""

    def __init__(self, codec: Codec, chunk_ms: int, append: Callable[[bytes], None], upstream: Upstream) -> None:
        self.append = append
        self._chunk = chunk_ms * 48  # bytes
        self._pending = b""
        self._upstream = upstream
        self.row = upstream.join()
        self.law = codec.law
        self._wanted: g711.Law | None = None  # by the provider, as it is
        self.quiet_ms = 0  # since the last packet
        self._filled = 0  # samples of silence that were filled in before a gap explained them
        self.deaf = False
        self._recent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._concealer = Concealer()
        self._keys: KeyDetector | None = None
        self._on_key: Callable[[str], None] = lambda key: None
        self.recorder: Recorder | None = None
        self._speech: SpeechDetector | None = None
        self._agent_is_heard: Callable[[], bool] = lambda: False
        self._on_speech: Callable[[], None] = lambda: None

    def pass_on(self, law: g711.Law) -> None:
        """The provider takes G.711: nothing is converted, or only from one law to the other."""
        self._wanted, self._chunk = law, self._chunk // 6

    def find_keys(self, on_key: Callable[[str], None]) -> None:
        """Listen for keys that are pressed within the audio; the agent hears silence in their place."""
        self._keys, self._on_key = KeyDetector(), on_key

    def find_speech(self, after_ms: int, while_: Callable[[], bool], on_speech: Callable[[], None]) -> None:
        """Tell when a voice has stood out of the line's noise for `after_ms`, at times of interest."""
        self._speech = SpeechDetector(after_ms)
        self._agent_is_heard, self._on_speech = while_, on_speech

    def use(self, codec: Codec) -> None:
        """What the next payloads are coded in."""
        if codec.law is not self.law:
            self._upstream.flush()
            self._recent.clear()
            self.law = codec.law

    def audio(self, payload: bytes) -> None:
        self.quiet_ms = self._filled = 0  # a gap that explains what was filled in comes just before
        if self._speech and not self.deaf:
            self._listen(self._speech, payload)
        if self.deaf or self._keys or self._concealer.active:
            payload = self._with_care(payload)
        self._recent.append(payload)
        self._put(payload)

    def _with_care(self, payload: bytes) -> bytes:
        """What is heard of it: after a loss, while keys may be in it, or by the deaf."""
        samples, tones = self._linear(payload), False
        if self._keys:
            keys, tones = self._keys.push(samples)
            for key in keys:
                self._on_key(key)
        if self.deaf or tones:
            return self._silence(len(payload))
        return self._coded(self._concealer.blend(samples)) if self._concealer.active else payload

    def _listen(self, detector: SpeechDetector, payload: bytes) -> None:
        if not self._agent_is_heard():
            detector.reset()
        if detector.push(self._linear(payload), len(payload) / 8) and self._agent_is_heard():
            detector.reset()
            self._on_speech()

    def gap(self, gap: Gap) -> None:
        explained = min(gap.samples, self._filled)
        self._filled -= explained
        missing = gap.samples - explained
        if missing <= 0:
            return
        if gap.lost and not explained and not self.deaf:
            made = self._concealer.conceal(missing, lambda: self._linear(b"".join(self._recent)))
            self._put(self._coded(made))
        else:
            self._put(self._silence(missing))

    def tick(self) -> None:
        """Once in 20 ms."""
        self.quiet_ms += FRAME_MS
        if self.quiet_ms > QUIET_MS:
            samples = FRAME_MS * 8
            self._filled += samples
            self._put(self._silence(samples))

    def _put(self, codes: bytes) -> None:
        if self.recorder:
            self.recorder.caller(codes)
        if self._wanted is None:
            self._upstream.put(self, codes)
        else:
            self.converted(codes if self.law is self._wanted else g711.translate(codes, self.law, self._wanted))

    def _linear(self, codes: bytes) -> NDArray[np.int16]:
        return self.law.decoder[np.frombuffer(codes, np.uint8)]

    def _coded(self, samples: NDArray[np.int16]) -> bytes:
        return g711.encode(self.law, samples).tobytes()

    def _silence(self, samples: int) -> bytes:
        return bytes([self.law.silence]) * samples

    def converted(self, pcm: bytes) -> None:
        """What the provider takes, in order."""
        if len(pcm) == self._chunk and not self._pending:  # the usual case
            self.append(pcm)
            return
        self._pending += pcm
        while len(self._pending) >= self._chunk:
            chunk, self._pending = self._pending[: self._chunk], self._pending[self._chunk :]
            self.append(chunk)

    def close(self) -> None:
        """Once, at the end."""
        self._upstream.leave(self)
