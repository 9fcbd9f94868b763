"""RTP ports: even ones of a range (RFC 3550 section 11), lent to one call at a time and rested before the next."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from typing import Protocol

from gateway.errors import NoMediaPort

REST_SECONDS = 30.0
"""How long a port is not lent again, so that nobody hears what the last peer still sends."""


class Borrower(Protocol):
    """Who listens on a port."""

    def close(self) -> None: ...


class PortPool:
    """Lends ports at random, for a port that can be guessed can be sent to; those that rest are not lent."""

    def __init__(
        self,
        first: int,
        last: int,
        clock: Callable[[], float],
        rest: float = REST_SECONDS,
        choose: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._first, self._last, self._clock, self._rest, self._choose = first, last, clock, rest, choose
        self._ready = list(range(first + first % 2, last + 1, 2))
        self._resting: deque[tuple[int, float]] = deque()
        self.lent: dict[int, Borrower | None] = {}  # to whom, once it listens

    def take(self) -> int:
        """Raises NoMediaPort."""
        self._wake()
        if not self._ready:
            raise NoMediaPort(self._first, self._last)
        place = self._choose(len(self._ready))
        self._ready[place], self._ready[-1] = self._ready[-1], self._ready[place]
        port = self._ready.pop()
        self.lent[port] = None
        return port

    def give_back(self, port: int) -> None:
        """Once; what was not lent is not taken."""
        if port in self.lent:
            del self.lent[port]
            self._resting.append((port, self._clock() + self._rest))

    def _wake(self) -> None:
        now = self._clock()
        while self._resting and self._resting[0][1] <= now:
            self._ready.append(self._resting.popleft()[0])

    def __len__(self) -> int:
        """Ports that could be lent now."""
        self._wake()
        return len(self._ready)
