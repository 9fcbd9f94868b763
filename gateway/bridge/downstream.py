"""What all callers hear, made together at each tick of the media clock: PCM16 at 24 or 8 kHz to G.711."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.passing import CODED_FRAME
from gateway.bridge.sip_leg import FRAME, SILENCE, SipLeg
from gateway.codecs import DOWN, g711


def render(due: list[SipLeg]) -> None:
    """Send one frame of each."""
    speaking: defaultdict[tuple[str, int], list[tuple[SipLeg, NDArray[np.int16], bool]]] = defaultdict(list)
    for leg in due:
        if (payload := leg.passed_on()) is not None:
            leg.send(payload, False)
            continue
        frame = leg.frame()
        if frame is not None:
            speaking[leg.law.name, len(frame)].append((leg, frame, not leg.holding))
        elif leg.history is not SILENCE:  # the end of what was said has still to leave the filter
            speaking[leg.law.name, FRAME].append((leg, SILENCE, False))
        else:
            leg.send(leg.quiet(), False)
    for (_, length), group in speaking.items():
        _convert(group, wide=length == FRAME)


def _convert(group: list[tuple[SipLeg, NDArray[np.int16], bool]], wide: bool) -> None:
    """Of one law and one rate: through resampling, where it is 24 kHz, and companding at once."""
    pieces: list[NDArray[np.int16]] = []
    for leg, frame, _ in group:
        if wide:
            pieces.append(leg.history[-DOWN.context :])
            leg.history = frame
        pieces.append(frame)
    samples = np.concatenate(pieces)
    if wide:
        samples = DOWN.convert(samples.reshape(len(group), -1).astype(np.float32))
    codes = g711.encode(group[0][0].law, samples).tobytes()
    for place, (leg, _, speaks) in enumerate(group):
        leg.send(codes[place * CODED_FRAME : (place + 1) * CODED_FRAME], speaks)
