"""RTP ports: even ones of a range (RFC 3550 section 11), lent to one call at a time and rested before the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateway.errors import NoMediaPort

REST_SECONDS = 30.0
"""How long a port is not lent again, so that nobody hears what the last peer still sends."""


class PortPool:
    """Lends ports in turn. A rested port comes before a resting one; where only resting ones are left, none is lent."""

    def __init__(self, first: int, last: int, clock: Callable[[], float], rest: float = REST_SECONDS) -> None:
        self._first, self._last, self._clock, self._rest = first, last, clock, rest
        self._free: deque[tuple[int, float]] = deque((port, 0.0) for port in range(first + first % 2, last + 1, 2))

    def take(self) -> int:
        """Raises NoMediaPort."""
        if not self._free or self._free[0][1] > self._clock():
            raise NoMediaPort(self._first, self._last)
        return self._free.popleft()[0]

    def give_back(self, port: int) -> None:
        self._free.append((port, self._clock() + self._rest))

    def __len__(self) -> int:
        """Ports that could be lent now."""
        now = self._clock()
        return sum(1 for _, ready in self._free if ready <= now)
