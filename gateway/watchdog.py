"""Notices a loop that does not run: all calls of the node are silent then, and somebody has to know whose fault it is.

A thread asks the loop for a sign of life again and again. One that comes late is told of with what held the loop up:
a tool's coroutine that computes, C code in another thread that keeps the interpreter to itself, or the place in the
code where the loop was.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from gateway.bridge import running_tools

BEAT_SECONDS = 0.05
"""Between two questions."""

BLOCKED_SECONDS = 0.25
"""Without an answer, after which the loop counts as blocked: a dozen frames of every call."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """The loop stood still for `seconds`. `tool` and `call_id` are empty where no tool was at work; `where`: a line."""

    seconds: float
    tool: str
    call_id: str
    where: str


class Watchdog:
    """`tell` is called on the loop, once it runs again. From `start` to `close`."""

    def __init__(self, tell: Callable[[Blocked], None]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._beat = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.times, self.seconds = 0, 0.0  # that the loop was blocked, in all

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(1.0)

    def _alive(self) -> None:
        self._beat = time.monotonic()

    def _watch(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            asked, before = time.monotonic(), running_tools()
            try:
                self._loop.call_soon_threadsafe(self._alive)
            except RuntimeError:  # the loop is closed
                return
            found: tuple[str, str, str] | None = None
            while self._beat < asked and not self._stop.wait(0.01):
                if found is None and time.monotonic() - asked > BLOCKED_SECONDS:
                    found = self._culprit()
            late = self._beat - asked
            if late > BLOCKED_SECONDS:  # also where this thread could not run either, and saw nothing of it
                self._told(late, found or (*(before or ("", "")), "in C code, which lets no other thread run"))

    def _culprit(self) -> tuple[str, str, str]:
        """The tool and its call, where one is at work, and the line that runs."""
        tool, call_id = running_tools() or ("", "")
        frame = sys._current_frames().get(self._thread_id)
        if frame is None:
            return tool, call_id, ""
        last = traceback.extract_stack(frame, limit=64)[-1]
        return tool, call_id, f"{last.filename}:{last.lineno} {last.name}"

    def _told(self, seconds: float, culprit: tuple[str, str, str]) -> None:
        self.times += 1
        self.seconds += seconds
        try:
            self._loop.call_soon_threadsafe(self._tell, Blocked(seconds, *culprit))
        except RuntimeError:
            return
