"""Empties the outbox: one node of all does it at a time, in order for each receiver and call, again and again.

An entry stays in Redis until its receiver has taken it, or is given up after `expire_seconds`: a courier that dies
loses nothing, for the next one begins with the oldest. A receiver that is away holds up nobody else's entries.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from gateway.errors import StoreUnavailable
from gateway.pacing import backoff
from gateway.store import LEASE_SECONDS
from gateway.store.keys import MAX_OUTBOX
from gateway.store.outbox import Outbox

log = structlog.get_logger("gateway.delivery")

LOOK_SECONDS = 0.5
WINDOW = 2000
"""Entries that are in hand at the same time."""

AT_ONCE = 32
"""Deliveries of one receiver that are on their way at the same time: more hold up the loop, which the calls need."""

FULLNESS_SECONDS = 5.0
"""Between two looks at how much waits."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # s; twice as long with every try
REMEMBERED = 10_000
NEARLY_FULL = 0.8
"""Share of the outbox that may wait before it is said."""


class Receiver(Protocol):
    """A destination of outbox entries: a webhook, a database."""

    async def deliver(self, call_id: str, body: str) -> str:
        """What went wrong; empty where it was taken. Raises Never where another try would be no better."""


class PermanentFailure(Exception):
    """It will not be taken, ever: why."""


class Courier:
    """`receivers` by the name that entries are `for`. Runs from `start` to `close`."""

    def __init__(self, outbox: Outbox, receivers: Mapping[str, Receiver], expire_seconds: float) -> None:
        self._outbox, self._receivers, self._expire = outbox, receivers, expire_seconds
        self._after = ""
        self._lines: dict[tuple[str, str], deque[tuple[str, dict[str, str]]]] = {}  # by receiver and call
        self._tasks: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = self.leading = False
        self._in_hand = 0
        self._taken: dict[int, None] = {}  # what was delivered lately: an entry may have been written twice
        self._slots = {name: asyncio.Semaphore(AT_ONCE) for name in receivers}
        self._filling = False  # it was said that the outbox fills up
        self.delivered = self.failed = self.given_up = 0
        self.dropped = 0  # that nobody took in time, and for which there was no more room

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        self._stopped = True
        for task in (self._task, *self._tasks):
            if task:
                task.cancel()
        await asyncio.gather(*(task for task in (self._task, *self._tasks) if task), return_exceptions=True)
        if self.leading:
            with suppress(StoreUnavailable):
                await self._outbox.resign()

    async def _run(self) -> None:
        led_at = looked_at = float("-inf")
        while not self._stopped:
            try:
                if self.leading and time.monotonic() - looked_at > FULLNESS_SECONDS:
                    looked_at = time.monotonic()
                    await self._make_room()
                if time.monotonic() - led_at > LEASE_SECONDS / 4:
                    leads = await self._outbox.lead()
                    led_at = time.monotonic()
                    if leads != self.leading:
                        self._take_over(leads)
                if self.leading and self._in_hand < WINDOW:
                    found = await self._outbox.read(self._after, WINDOW - self._in_hand)
                    for entry_id, entry in found:
                        self._after = entry_id
                        self._put(entry_id, entry)
                    if found:
                        continue
            except StoreUnavailable:
                if time.monotonic() - led_at > LEASE_SECONDS:  # another may lead by now
                    self._take_over(False)
            except Exception:  # boundary: what is wrong with one round is not wrong with the next
                log.exception("delivery.bug")
            await asyncio.sleep(LOOK_SECONDS)

    async def _make_room(self) -> None:
        """An outbox that is full loses its oldest entries: that is said, before and when it comes to it."""
        waiting, lost = await self._outbox.trim()
        if lost:
            self.dropped += lost
            log.error(
                "delivery.dropped", entries=lost, waiting=waiting, fix="a receiver takes nothing: see the dead ones"
            )
        filling = waiting > NEARLY_FULL * MAX_OUTBOX
        if filling and not self._filling:
            log.warning("delivery.outbox_fills_up", waiting=waiting, room_for=MAX_OUTBOX)
        self._filling = filling

    def _take_over(self, leads: bool) -> None:
        """From the oldest on, or no more."""
        self.leading, self._after, self._in_hand = leads, "", 0
        for task in self._tasks:
            task.cancel()
        self._lines.clear()

    def _put(self, entry_id: str, entry: dict[str, str]) -> None:
        place = entry.get("for", ""), entry.get("call_id", "")
        self._in_hand += 1
        line = self._lines.get(place)
        if line is not None:
            line.append((entry_id, entry))
            return
        self._lines[place] = deque([(entry_id, entry)])
        task = asyncio.get_running_loop().create_task(self._work(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, place: tuple[str, str]) -> None:
        """One call's entries for one receiver, one after the other."""
        line = self._lines[place]
        while line:
            entry_id, entry = line[0]
            await self._deliver(entry_id, entry)
            line.popleft()
            self._in_hand -= 1
        del self._lines[place]

    async def _deliver(self, entry_id: str, entry: dict[str, str]) -> None:
        receiver, attempt = self._receivers.get(entry.get("for", "")), 0
        same = hash(tuple(entry.values()))
        written = int(entry_id.partition("-")[0]) / 1000
        while True:
            attempt += 1
            if same in self._taken:
                await self._patiently(lambda: self._outbox.done(entry_id))
                return
            if receiver is None:
                await self._give_up(entry_id, entry, f"nobody is called {entry.get('for')!r} any more")
                return
            try:
                async with self._slots[entry["for"]]:
                    there = await self._waits(entry_id)
                    if self._stopped or not self.leading:  # cancelled, which the client of Redis may swallow
                        raise asyncio.CancelledError
                    if not there:
                        return
                    problem = await receiver.deliver(entry.get("call_id", ""), entry.get("body", ""))
            except PermanentFailure as never:
                await self._give_up(entry_id, entry, str(never))
                return
            except Exception as error:  # boundary: a fault of one receiver's holds up no other
                log.exception("delivery.bug", receiver=entry.get("for"))
                problem = f"{type(error).__name__}: {error}"
            if not problem:
                self.delivered += 1
                self._taken[same] = None
                if len(self._taken) > REMEMBERED:
                    self._taken.pop(next(iter(self._taken)))
                await self._patiently(lambda: self._outbox.done(entry_id))
                return
            self.failed += 1
            if time.time() - written > self._expire:
                await self._give_up(entry_id, entry, f"{problem}, after {attempt} tries")
                return
            if attempt == 1:
                log.warning("delivery.failed", receiver=entry.get("for"), call_id=entry.get("call_id"), problem=problem)
            await asyncio.sleep(backoff(attempt, FIRST_WAIT, LONGEST_WAIT, random.random(), spread=0.25))

    async def _waits(self, entry_id: str) -> bool:
        """While Redis is away it is taken for there: webhooks do not wait for it."""
        with suppress(StoreUnavailable):
            return await self._outbox.waits(entry_id)
        return True

    async def _give_up(self, entry_id: str, entry: dict[str, str], problem: str) -> None:
        log.error("delivery.given_up", receiver=entry.get("for"), call_id=entry.get("call_id"), problem=problem)
        self.given_up += 1
        await self._patiently(lambda: self._outbox.give_up(entry_id, entry, problem))

    async def _patiently(self, write: Callable[[], Awaitable[None]]) -> None:
        """Until Redis is there for it."""
        while True:
            try:
                await write()
                return
            except StoreUnavailable:
                await asyncio.sleep(LOOK_SECONDS)
