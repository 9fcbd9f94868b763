"""The node's media clock: one timer for all calls.

Every 5 ms it serves the quarter of the calls whose frame of 20 ms is due, together, so that resampling and companding
run once over a batch, and sends are spread over the frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

FRAME = 0.020  # s
SLOTS = 4
TICK = FRAME / SLOTS
LATE, MISSED = 0.005, 0.020  # s: frames that leave so much after their time are counted

Member = TypeVar("Member")


class MediaClock(Generic[Member]):
    """Calls `render(due)` with the members of one slot, every 20 ms for each. A tick that was missed is caught up."""

    def __init__(self, render: Callable[[list[Member]], None]) -> None:
        self._render = render
        self._slots: list[list[Member]] = [[] for _ in range(SLOTS)]
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._slot = 0
        self.frames = self.late = self.missed = 0
        self.worst = 0.0  # s

    def join(self, member: Member) -> None:
        """Into the slot with the fewest; the clock starts with its first member."""
        min(self._slots, key=len).append(member)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time()
            self._timer = loop.call_soon(self._tick)  # type: ignore[assignment]

    def leave(self, member: Member) -> None:
        for slot in self._slots:
            if member in slot:
                slot.remove(member)
        if self._timer is not None and not len(self):
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        lateness = loop.time() - self._due
        self.worst = max(self.worst, lateness)
        if lateness > 1.0:  # the machine slept: what was missed is past, not owed
            self._due = loop.time()
        members = self._slots[self._slot]
        self.frames += len(members)
        self.late += len(members) * (lateness > LATE)
        self.missed += len(members) * (lateness > MISSED)
        self._slot = (self._slot + 1) % SLOTS
        self._due += TICK
        self._timer = loop.call_at(self._due, self._tick)
        if members:
            self._render(list(members))
