"""How a stream sounds, estimated from what the network did to it: the E-model (ITU-T G.107), as MOS (annex B)."""

from __future__ import annotations

R_BEST = 93.2
"""The rating of a connection that has nothing but the default noises."""
PLAIN, CONCEALED = 4.3, 25.1
"""Bpl of G.711 without and with concealment (ITU-T G.113 appendix I): how much loss it takes to be heard."""
BUFFERS_MS = 40.0
"""One way, besides the network: a packet's own length and the peer's buffer."""


def rating(loss: float, round_trip: float, robustness: float = PLAIN) -> float:
    """R, from 0 to 93.2. `loss` as a share from 0 to 1, `round_trip` in s, `robustness` a Bpl."""
    delay = round_trip * 500 + BUFFERS_MS
    for_delay = 0.024 * delay + 0.11 * max(0.0, delay - 177.3)
    percent = 100 * min(1.0, max(0.0, loss))
    for_loss = 95 * percent / (percent + robustness)
    return max(0.0, R_BEST - for_delay - for_loss)


def mos(loss: float, round_trip: float = 0.0, robustness: float = PLAIN) -> float:
    """Mean opinion score, from 1 (bad) to 4.4."""
    r = rating(loss, round_trip, robustness)
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
