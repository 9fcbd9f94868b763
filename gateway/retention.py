"""What this node keeps of calls on its disk: for how long, and how it goes before that when somebody asks for it.

Recordings and messages are files named by their call; records are lines of one file. What is in Redis and PostgreSQL
goes there.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from gateway.bridge import VOICEMAIL
from gateway.call_record import Party
from gateway.delivery import RecordFile
from gateway.errors import StoreUnavailable

log = structlog.get_logger("gateway")

LOOK_SECONDS = 3600.0
"""Between two looks for what is too old."""

DAY = 86400.0
_OURS = re.compile(r"(call_[0-9a-f]{16})(?:-\d+)?\.wav")
"""Names of recordings; other files in the folder are nobody's business."""


class Retention:
    """`folder` holds recordings for `recording_days`, `file` records for `record_days`; 0: for ever.

    `expire` does the same for records that are elsewhere.
    """

    def __init__(
        self,
        folder: Path | None,
        recording_days: float,
        file: RecordFile | None,
        record_days: float,
        expire: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._folder, self._recording_days = folder, recording_days
        self._file, self._record_days = file, record_days
        self._expire = expire
        self._task: asyncio.Task[None] | None = None
        self.erased = 0  # recordings and lines

    def start(self) -> None:
        if self._recording_days or self._record_days:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.expire(time.time())
            except Exception:  # boundary: what is wrong with one look is not wrong with the next
                log.exception("retention.bug")
            await asyncio.sleep(LOOK_SECONDS)

    async def expire(self, now: float) -> None:
        """What is older than it may be."""
        if self._recording_days:
            before = now - self._recording_days * DAY
            self._count(await asyncio.to_thread(self._remove, lambda call_id, at: at < before), "too old")
        if self._record_days:
            before = now - self._record_days * DAY
            if self._file:
                gone = await self._file.remove(lambda record: float(record.get("ended_at") or before) < before)
                self._count(len(gone), "too old")
            if self._expire:
                with suppress(StoreUnavailable):
                    await self._expire(self._record_days * DAY)

    async def erase(self, call_ids: Collection[str], number: str = "") -> list[str]:
        """What is here of these calls, and of those of a number; the ids of the calls of which there was something."""
        found = set[str]()
        if self._file:
            wanted = set(call_ids)
            found |= set(await self._file.remove(lambda one: one.get("call_id") in wanted or is_of(one, number)))
        wanted = found | set(call_ids)
        removed = await asyncio.to_thread(self._remove, lambda call_id, at: call_id in wanted, found)
        self._count(removed + len(found), "asked for")
        return sorted(found)

    def _remove(self, wanted: Callable[[str, float], bool], found: set[str] | None = None) -> int:
        """Recordings, by call and time of the last change."""
        count = 0
        folders = (self._folder, self._folder / VOICEMAIL) if self._folder else ()
        for path in (path for folder in folders for path in folder.glob("call_*.wav")):
            name = _OURS.fullmatch(path.name)
            with suppress(FileNotFoundError):
                if name and wanted(name[1], path.stat().st_mtime):
                    path.unlink()
                    path.with_suffix(".json").unlink(missing_ok=True)
                    count += 1
                    if found is not None:
                        found.add(name[1])
        return count

    def _count(self, count: int, why: str) -> None:
        self.erased += count
        if count:
            log.info("retention.erased", count=count, why=why)


def is_of(record: dict[str, Any], number: str) -> bool:
    """A record of a call from or to a number, or to or from a user of that name."""
    if not number:
        return False
    wanted = plain(number)
    return any(plain(Party(str(record.get(side) or "")).user) == wanted for side in ("caller", "called"))


def plain(number: str) -> str:
    """A number without the characters that people write into it, `+` and the international 00; a name as it is."""
    digits = re.sub(r"[-.() /]", "", number.strip())
    return digits.removeprefix("+").removeprefix("00") if re.fullmatch(r"\+?\d+", digits) else number.strip().lower()
