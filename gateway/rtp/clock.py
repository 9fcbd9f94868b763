"""The node's media clock: one timer for all calls.

Every 5 ms it serves the quarter of the calls whose frame of 20 ms is due, together, so that resampling and companding
run once over a batch, and sends are spread over the frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

FRAME = 0.020  # s
SLOTS = 4
TICK = FRAME / SLOTS
MOST_EARLY = 8  # ticks
LATE, MISSED = 0.005, 0.020  # s: frames that leave so much after their time are counted

FEW = 10
HOLD = 0.001  # s

Member = TypeVar("Member", bound=Hashable)


class MediaClock(Generic[Member]):
    """Calls `render(due)` with the members of one slot, every 20 ms for each. A tick that was missed is caught up."""

    def __init__(self, render: Callable[[list[Member]], None]) -> None:
        self._render = render
        self._slots: list[list[Member]] = [[] for _ in range(SLOTS)]
        self._early: dict[Member, int] = {}  # ticks that its frames leave before their time
        self._settling: set[Member] = set()
        self._parked: list[tuple[int, Member]] = []  # those who wait for a tick to be on time again
        self._ticks = 0
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

    def hurry(self, member: Member) -> None:
        """Serve it at the next tick, for it has something to say, or to stop saying. Until it settles it is early."""
        for slot, members in enumerate(self._slots):
            if member in members:
                ticks = self._early.get(member, 0) + (slot - self._slot) % SLOTS
                if ticks <= MOST_EARLY:
                    self._settling.discard(member)
                    self._early[member] = ticks
                    members.remove(member)
                    self._slots[self._slot].append(member)
                return
        for entry in self._parked:
            if entry[1] == member:
                self._parked.remove(entry)
                self._early[member] = entry[0] - self._ticks - 1
                self._slots[self._slot].append(member)
                return

    def settle(self, member: Member) -> None:
        """Back to its own time, with one longer pause, so that what was early does not add up."""
        if self._early.get(member):
            self._settling.add(member)

    def _settle(self) -> None:
        """Those of this slot who are early miss as many ticks; those who have missed them are served again."""
        for member in [one for one in self._settling if one in self._slots[self._slot]]:
            self._settling.discard(member)
            self._slots[self._slot].remove(member)
            self._parked.append((self._ticks + self._early.pop(member), member))
        for entry in [one for one in self._parked if one[0] == self._ticks]:
            self._parked.remove(entry)
            self._slots[self._slot].append(entry[1])

    def leave(self, member: Member) -> None:
        self._early.pop(member, None)
        self._settling.discard(member)
        self._parked = [one for one in self._parked if one[1] != member]
        for slot in self._slots:
            if member in slot:
                slot.remove(member)
        if self._timer is not None and not len(self):
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        return sum(map(len, self._slots)) + len(self._parked)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        lateness = loop.time() - self._due
        self.worst = max(self.worst, lateness)
        if lateness > 1.0:  # the machine slept: what was missed is past, not owed
            self._due = loop.time()
        self._ticks += 1
        if self._settling or self._parked:
            self._settle()
        members = self._slots[self._slot]
        self.frames += len(members)
        self.late += len(members) * (lateness > LATE)
        self.missed += len(members) * (lateness > MISSED)
        self._slot = (self._slot + 1) % SLOTS
        self._due += TICK
        soonest = loop.time() + TICK / 2  # what is late is made up for at twice the speed, and not in one burst
        self._timer = loop.call_at(max(self._due, soonest), self._tick)
        if members:
            self._render(list(members))


class BatchTrigger:
    """Lets several calls' work be done together: what asks first has `run` called, within HOLD.

    Where fewer than FEW calls share it there is little to gain, and it is done in the loop's next turn.
    """

    def __init__(self, calls: Callable[[], int]) -> None:
        self._calls = calls

    def ask(self, run: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if self._calls() < FEW:
            loop.call_soon(run)
        else:
            loop.call_later(HOLD, run)
