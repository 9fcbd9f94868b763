"""What all callers hear, made together at each tick of the media clock: PCM16 at 24 or 8 kHz to what each speaks."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.legs.sip_leg import SILENCE, SipLeg
from gateway.bridge.media.fill_audio import FRAME
from gateway.codecs import kernel

Group = list[tuple[SipLeg, NDArray[np.int16], bool]]  # whether it is speech
Speaking = defaultdict[tuple[str, int], Group]  # by sound and length of the frame


def render(due: list[SipLeg]) -> None:
    """Send one frame of each: what needs no conversion at once, the rest with those who speak."""
    speaking: Speaking = defaultdict(list)
    for leg in due:
        try:
            if (payload := leg.passed_on()) is not None:
                leg.send(payload, False)
                continue
            if (payload := leg.announced()) is not None:
                leg.send(payload, True)
                continue
            frame = leg.frame()
            if frame is not None:
                speaking[leg.sound.name, len(frame)].append((leg, frame, not leg.music_plays))
            elif leg.history is not SILENCE:  # the end of what was said has still to leave the filter
                speaking[leg.sound.name, FRAME].append((leg, SILENCE, False))
            else:
                leg.send(leg.quiet(), False)
        except Exception as error:  # boundary: a fault in one call never touches another
            leg.fault(error)
    for (_, length), group in speaking.items():
        _convert(group, resampled=length == FRAME)


def _convert(group: Group, resampled: bool) -> None:
    """Of one sound and one rate: through resampling, where it is 24 kHz, and companding at once."""
    sound = group[0][0].sound
    down = kernel(24000, sound.hz)
    pieces: list[NDArray[np.int16]] = []
    for leg, frame, _ in group:
        if resampled:
            pieces.append(leg.history[-down.context :])
            leg.history = frame
        pieces.append(frame)
    samples = np.concatenate(pieces)
    if resampled:
        samples = down.convert(samples.reshape(len(group), -1).astype(np.float32))
    whole = sound.coded(samples)
    size = len(whole) // len(group)
    for place, (leg, _, speaks) in enumerate(group):
        try:
            leg.send(whole[place * size : (place + 1) * size], speaks)
        except Exception as error:
            leg.fault(error)
