"""Timer values of the transaction layer (RFC 3261 table 4, RFC 6026 for L)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """The base values, in seconds; all lettered timers follow from them."""

    t1: float = 0.5  # round-trip estimate
    t2: float = 4.0  # longest wait between two resends of a non-INVITE request or an INVITE response
    t4: float = 5.0  # longest time a message stays in the network

    @property
    def transaction_timeout(self) -> float:
        """Timers B, F, H, J (unreliable), L and M: 64 * T1."""
        return 64 * self.t1
