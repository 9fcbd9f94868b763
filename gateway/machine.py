"""One shape for everything that has time in it.

A machine takes inputs and a clock and returns actions; it never awaits, reads no clock and touches no socket.
`Driver` is its asyncio shell: after every input it performs the actions and arms one timer for the next deadline.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

Action = TypeVar("Action")
Key = TypeVar("Key")


class Machine(Protocol[Action]):
    """What a driver needs. `now` and deadlines are seconds on one monotonic clock."""

    def deadline(self) -> float | None:
        """When `expire` has to be called next, or None."""

    def expire(self, now: float) -> None:
        """Let everything happen that is due at `now`."""

    def actions(self) -> list[Action]:
        """What to do, in order; each action is returned once."""


class Timers(Generic[Key]):
    """Many named timers with one deadline; setting a key again replaces its time. O(log n)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._live: dict[Key, int] = {}
        self._serial = itertools.count()

    def set(self, key: Key, when: float) -> None:
        serial = next(self._serial)
        self._live[key] = serial
        heapq.heappush(self._heap, (when, serial, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._live):  # mostly replaced or cancelled entries
            self._heap = [entry for entry in self._heap if self._live.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def cancel(self, key: Key) -> None:
        self._live.pop(key, None)

    def deadline(self) -> float | None:
        while self._heap and self._live.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[Key]:
        """Take the keys whose time has come, earliest first."""
        keys = []
        while (when := self.deadline()) is not None and when <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._live[key]
            keys.append(key)
        return keys

    def pending(self) -> list[tuple[Key, float]]:
        """Those that are set, with their times, earliest first."""
        return [
            (key, when)
            for when, serial, key in sorted(self._heap, key=lambda one: one[:2])
            if self._live.get(key) == serial
        ]

    def clear(self) -> None:
        """None is set any more."""
        self._heap, self._live = [], {}

    def __len__(self) -> int:
        return len(self._live)


def tell(faults: list[Exception]) -> None:
    """Raise the first, with what the others were as its notes; nothing where there are none."""
    if faults:
        for other in faults[1:]:
            faults[0].add_note(f"and another one: {type(other).__name__}: {other}")
        raise faults[0]


class Driver(Generic[Action]):
    """Runs a machine on the running loop, whose clock is `loop.time()`. Call `drain` after every input."""

    def __init__(self, machine: Machine[Action], perform: Callable[[Action], None]) -> None:
        self._machine = machine
        self._perform = perform
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._draining = self._closed = False

    def now(self) -> float:
        return self._loop.time()

    def drain(self) -> None:
        """Perform what the machine wants, then arm its next deadline. Safe to call from within an action."""
        if self._draining:
            return
        self._draining = True
        faults: list[Exception] = []
        try:
            while actions := self._machine.actions():
                for action in actions:
                    try:
                        self._perform(action)
                    except Exception as fault:  # the others have nothing to do with it; told when they are done
                        faults.append(fault)
        finally:
            self._draining = False
            self._arm()
        tell(faults)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed and (deadline := self._machine.deadline()) is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        try:
            self._machine.expire(self._loop.time())
        finally:
            self.drain()

    def close(self) -> None:
        """No timer comes due any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
