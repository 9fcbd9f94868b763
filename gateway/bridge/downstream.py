"""What all callers hear, made together at each tick of the media clock: PCM16 at 24 kHz to G.711."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.sip_leg import FRAME, SILENCE, SipLeg
from gateway.codecs import DOWN, g711

CODED = FRAME // 3  # bytes of a frame in G.711


def render(due: list[SipLeg]) -> None:
    """Send one frame of each."""
    speaking: defaultdict[str, list[tuple[SipLeg, NDArray[np.int16], bool]]] = defaultdict(list)
    for leg in due:
        if (payload := leg.passed_on()) is not None:
            leg.send(payload, False)
            continue
        frame = leg.frame()
        if frame is not None:
            speaking[leg.law.name].append((leg, frame, not leg.holding))
        elif leg.history is not SILENCE:  # the end of what was said has still to leave the filter
            speaking[leg.law.name].append((leg, SILENCE, False))
        else:
            leg.send(silence(leg.law), False)
    for group in speaking.values():
        _convert(group)


def _convert(group: list[tuple[SipLeg, NDArray[np.int16], bool]]) -> None:
    """Of one law: through resampling and companding at once."""
    pieces: list[NDArray[np.int16]] = []
    for leg, frame, _ in group:
        pieces += (leg.history[-DOWN.context :], frame)
        leg.history = frame
    block = np.concatenate(pieces).reshape(len(group), -1).astype(np.float32)
    codes = g711.encode(group[0][0].law, DOWN.convert(block)).tobytes()
    for place, (leg, _, speaks) in enumerate(group):
        leg.send(codes[place * CODED : (place + 1) * CODED], speaks)


def silence(law: g711.Law) -> bytes:
    return bytes([law.silence]) * CODED
