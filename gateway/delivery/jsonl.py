"""Call records in a file, a line of JSON each, of the calls that ended on this node."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import structlog

from gateway.events import (
    Bridged,
    CallEvent,
    Ended,
    ProviderBroken,
    ProviderFailed,
    ProviderFault,
    ProviderRenewed,
    ProviderRestored,
    RecordingStarted,
    ToolCalled,
    ToolOutput,
    Transcript,
    TransferDialing,
    TransferFailed,
    TransferProgress,
    TransferStarted,
)

log = structlog.get_logger("gateway.delivery")

MOST_EVENTS = 2000

TOOLS = {ToolCalled.type, ToolOutput.type}
TRANSFERS = {
    one.type
    for one in (
        TransferStarted, TransferDialing, TransferProgress, TransferFailed, Bridged
    )
}  # fmt: skip
PROVIDERS = {
    one.type
    for one in (
        ProviderFault, ProviderFailed, ProviderBroken, ProviderRestored,
        ProviderRenewed,
    )
}  # fmt: skip


class RecordFile:
    """`tell` gets every event; the file is opened anew for each record, so that it may be moved away at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._thread = ThreadPoolExecutor(1, "records")

    def tell(self, event: CallEvent, record: dict[str, Any]) -> None:
        events = self._events[event.call_id]
        if len(events) < MOST_EVENTS or event.type == Ended.type:
            events.append({"type": event.type, "at": event.at, "data": event.data})
        if event.type == Ended.type:
            del self._events[event.call_id]
            self.write(full_record(record, events))

    def write(self, record: dict[str, Any]) -> None:
        self._thread.submit(self._append, orjson.dumps(record) + b"\n")

    def _append(self, line: bytes) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            log.error("records.not_written", path=str(self._path), problem=str(error), record=line.decode()[:200])

    async def remove(self, unwanted: Callable[[dict[str, Any]], bool]) -> list[str]:
        """Leave out the lines of these records; the ids of their calls. Lines that are no JSON stay."""
        return await asyncio.wrap_future(self._thread.submit(self._remove, unwanted))

    def _remove(self, unwanted: Callable[[dict[str, Any]], bool]) -> list[str]:
        gone = []
        kept = self._path.with_name(f"{self._path.name}.kept")
        try:
            with self._path.open("rb") as old, kept.open("wb") as new:
                os.fchmod(new.fileno(), os.fstat(old.fileno()).st_mode & 0o7777)
                for line in old:
                    try:
                        record = orjson.loads(line)
                    except orjson.JSONDecodeError:
                        record = None
                    if isinstance(record, dict) and unwanted(record):
                        gone.append(str(record.get("call_id") or ""))
                    else:
                        new.write(line)
            kept.replace(self._path) if gone else kept.unlink()
        except FileNotFoundError:
            return []
        except OSError as error:
            log.error("records.not_erased", path=str(self._path), problem=str(error))
            raise
        return gone

    def close(self) -> None:
        self._thread.shutdown()


def full_record(record: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    """All that is known of a call that has ended: its record, its events, and in order what was said, and done."""
    return {
        **record,
        "transcript": [
            {"at": one["at"], "role": one["data"]["role"], "text": one["data"]["text"]}
            for one in events
            if one["type"] == Transcript.type
        ],
        "tools": [one["data"] | {"at": one["at"]} for one in events if one["type"] in TOOLS],
        "transfers": [
            one["data"] | {"at": one["at"], "event": one["type"]} for one in events if one["type"] in TRANSFERS
        ],
        "recordings": [one["data"]["file"] for one in events if one["type"] == RecordingStarted.type],
        "providers_over_time": [
            one["data"] | {"at": one["at"], "event": one["type"]} for one in events if one["type"] in PROVIDERS
        ],
        "events": events,
    }
