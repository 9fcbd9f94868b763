"""How a stream sounds, estimated from what the network did to it: the E-model (ITU-T G.107), as MOS (annex B)."""

from __future__ import annotations

R_BEST = 93.2
"""The rating of a connection that has nothing but the default noises."""
ROBUSTNESS = 4.3
"""Bpl of G.711 without concealment (ITU-T G.113 appendix I): how quickly loss is heard."""
BUFFERS_MS = 40.0
"""One way, besides the network: a packet's own length and the peer's buffer."""


def rating(loss: float, round_trip: float) -> float:
    """R, from 0 to 93.2. `loss` as a share from 0 to 1, `round_trip` in s."""
    delay = round_trip * 500 + BUFFERS_MS
    for_delay = 0.024 * delay + 0.11 * max(0.0, delay - 177.3)
    percent = 100 * min(1.0, max(0.0, loss))
    for_loss = 95 * percent / (percent + ROBUSTNESS)
    return max(0.0, R_BEST - for_delay - for_loss)


def mos(loss: float, round_trip: float = 0.0) -> float:
    """Mean opinion score, from 1 (bad) to 4.4."""
    r = rating(loss, round_trip)
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
