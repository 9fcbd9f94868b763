"""Every key in Redis: its type, what it holds, how long it stays.

| key | type | holds | stays |
| --- | --- | --- | --- |
| `gateway:call:ID` | hash | the call's record, values as JSON | until `keep_seconds` after its end |
| `gateway:call:ID:events` | stream | its events in order: type, at, data | as long as the record |
| `gateway:calls:live` | sorted set | ids of calls in progress by start (epoch s) | for ever |
| `gateway:calls:ended` | sorted set | ids of ended calls by end (epoch s) | trimmed with the records |
"""

from __future__ import annotations

LIVE = "gateway:calls:live"
ENDED = "gateway:calls:ended"

MAX_EVENTS = 2000
"""Length of one call's stream; the oldest go first."""


def call(call_id: str) -> str:
    return f"gateway:call:{call_id}"


def events(call_id: str) -> str:
    return f"gateway:call:{call_id}:events"
