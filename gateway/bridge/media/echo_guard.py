"""A line that sends back what it is sent: the agent would hear itself, and be interrupted by its own words.

While the agent speaks what is heard is held against what was sent. Where the two are alike the line echoes: from then
on what is no louder than the echo would be is silence for the agent; what is louder is the caller, who may interrupt.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import Sound, dbm0, find_echo

RATE = 8000
WINDOW = 2048
"""Samples at 8 kHz, 256 ms, that are compared."""

LONGEST_MS = 700
"""Delay of an echo that is looked for."""

EVERY_MS, SELDOM_MS = 120, 600
"""Between two looks while the agent speaks, or has just spoken; and where it was no echo at `IN_VAIN` looks."""

IN_VAIN, FORGOTTEN = 10, 30
"""After so many the line has ceased to echo: a hands-free telephone was picked up."""

ALIKE, PLAINLY = 0.6, 0.9
"""Likeness that has to be seen twice in a row at the same delay, or once: by chance two voices are alike, too."""

SAME_MS = 2.0

LOUD_DBM0 = -45.0
"""Below which nothing is worth a look."""

MARGIN = 4.0
"""Of power, 6 dB: what is louder than the echo by so much is the caller."""

SPREAD_MS = 30
"""To either side of the echo's place in which its level is taken: lines jitter."""

KEPT = WINDOW + RATE * LONGEST_MS // 1000
"""Samples of what was sent that are looked through."""

SLACK_MS = 120
"""Kept beyond that: two frames of the longest kind."""


class EchoGuard:
    """Of one leg. `sent` and `heard` get every frame, in the sound of the leg, and run on in silence."""

    def __init__(self) -> None:
        self._sent: deque[bytes] = deque()  # nothing that the garbage collector has to look at, for it is much
        self._heard: deque[bytes] = deque()
        self._speaks: Sound | None = None  # of what is kept of each
        self._hears: Sound | None = None
        self._sent_ms = self._heard_ms = 0.0  # of what is kept
        self._ahead_ms = 0.0  # of what was sent, compared with what was heard, since the beginning
        self._talked_ms = 1e9  # since the agent last spoke
        self._looked_ms = 0.0  # since the last look
        self._seen: float | None = None  # where the look before found an echo
        self._in_vain = 0  # looks at something loud that was no echo
        self.lag_ms: float | None = None  # on the clock of both streams: of what was sent to where it is heard
        self.gain = 0.0
        self.suppressed_ms = 0.0
        self.found = 0  # times that an echo was found

    @property
    def echoing(self) -> bool:
        return self.lag_ms is not None

    def sent(self, frame: bytes, sound: Sound, talking: bool) -> None:
        """What was sent to the party just now."""
        ms = _ms(frame, sound)
        self._talked_ms = 0.0 if talking else self._talked_ms + ms
        if sound is not self._speaks:  # another codec
            self._sent.clear()
            self._speaks, self._sent_ms = sound, 0.0
        self._sent.append(frame)
        self._sent_ms += ms
        self._ahead_ms += ms
        while self._sent_ms > KEPT * 1000 / RATE + SLACK_MS:
            self._sent_ms -= _ms(self._sent.popleft(), sound)

    def heard(self, frame: bytes, sound: Sound) -> bytes:
        """What of the party's frame the agent is to hear: all, or silence in place of an echo."""
        ms = _ms(frame, sound)
        if sound is not self._hears:
            self._heard.clear()
            self._hears, self._heard_ms = sound, 0.0
        self._heard.append(frame)
        self._heard_ms += ms
        self._ahead_ms -= ms
        while self._heard_ms > WINDOW * 1000 / RATE + SLACK_MS:
            self._heard_ms -= _ms(self._heard.popleft(), sound)
        if self._talked_ms > LONGEST_MS + SPREAD_MS:
            return frame
        self._looked_ms += ms
        if self._looked_ms >= (SELDOM_MS if self._in_vain >= IN_VAIN else EVERY_MS):
            self.look()
        if self.lag_ms is None:
            return frame
        if _power(_narrow([frame], sound)) > MARGIN * self.gain**2 * self._said_power(ms) + 1.0:
            return frame
        self.suppressed_ms += ms
        return sound.quiet(len(sound.linear(frame)))

    def look(self) -> bool:
        """Hold the latest that was heard against what was sent; whether the line echoes."""
        self._looked_ms = 0.0
        if self._talked_ms > LONGEST_MS or self._heard_ms * RATE < WINDOW * 1000:
            return self.echoing
        assert self._hears is not None
        heard = _narrow(self._heard, self._hears)[-WINDOW:]
        if dbm0(heard) < LOUD_DBM0:
            return self.echoing
        if self._speaks is None or self._sent_ms * RATE <= WINDOW * 1000:
            return self.echoing
        sent = _narrow(self._sent, self._speaks)[-KEPT:]
        echo = find_echo(_halved(heard), _halved(sent))
        before, self._seen = self._seen, None
        if echo.likeness >= ALIKE:
            self._seen = echo.lag * 2000 / RATE - self._ahead_ms
            known = (one for one in (before, self.lag_ms) if one is not None)
            if echo.likeness >= PLAINLY or any(abs(one - self._seen) < SAME_MS for one in known):
                self.found += self.lag_ms is None
                self.lag_ms, self.gain = self._seen, max(self.gain * 0.7, echo.gain)
                self._in_vain = 0
                return True
        self._in_vain += 1  # also where two voices are alike by chance, at another delay
        if self._in_vain >= FORGOTTEN:
            self.lag_ms, self._in_vain = None, 0
        return self.echoing

    def _said_power(self, ms: float) -> float:
        """The highest power of what was sent, around the place that a frame of `ms`, heard just now, is the echo of."""
        assert self.lag_ms is not None
        end = round((self.lag_ms + self._ahead_ms - SPREAD_MS) * RATE / 1000)  # samples before the end
        size = round((ms + 2 * SPREAD_MS) * RATE / 1000)
        if self._speaks is None:
            return 0.0
        frames = list(self._sent)[-(2 + (max(0, end) + size) // 160 + 1) :]
        said = _narrow(frames, self._speaks)
        stop = len(said) - max(0, end)
        window = said[max(0, stop - size) : max(0, stop)]
        pieces = [window[at : at + 80] for at in range(0, len(window) - 79, 80)]
        return max((_power(piece) for piece in pieces), default=0.0)

    def stats(self) -> dict[str, Any]:
        """For the record; nothing where there was no echo."""
        if not self.found:
            return {}
        gain_db = round(20 * math.log10(max(self.gain, 1e-3)))
        return {"echo": {"gain_db": gain_db, "suppressed_ms": round(self.suppressed_ms)}}


def _ms(frame: bytes, sound: Sound) -> float:
    return len(frame) / sound.size * 1000 / sound.hz


def _narrow(frames: Iterable[bytes], sound: Sound) -> NDArray[np.int16]:
    """All of them at 8 kHz; a wide band by every other sample, which is good enough to be compared."""
    return sound.linear(b"".join(frames))[:: sound.hz // RATE]


def _halved(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """At 4 kHz, which is enough for likeness."""
    even = samples[len(samples) % 2 :]
    return even[::2] // 2 + even[1::2] // 2


def _power(samples: NDArray[np.int16]) -> float:
    as_float = samples.astype(np.float32)
    return float(as_float @ as_float) / max(1, len(samples))
