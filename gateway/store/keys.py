"""Every key in Redis: its type, what it holds, how long it stays, how much it may be.

| key | type | holds | stays | size |
| --- | --- | --- | --- | --- |
| `{gateway}:call:ID` | hash | `record`, as JSON; `closed`, what others said of its end where its node died | until `keep_seconds` after its end | 1 to 3 KB |
| `{gateway}:call:ID:events` | stream | its events in order: type, at, data | as long as the record | 2,000 entries, 0.2 KB each |
| `{gateway}:call:ID:levels` | string | loudness of caller and agent in turn, 20 a second, a byte each: dBm0 + 90 | as long as the record | 40 bytes/s |
| `{gateway}:calls:live` | sorted set | ids of calls in progress by start (epoch s) | for ever | one entry a live call |
| `{gateway}:calls:ended` | sorted set | ids of ended calls by end (epoch s) | trimmed with the records | one entry a kept call |
| `{gateway}:events` | stream | what happens in all calls, for who watches | trimmed | 5,000 entries |
| `{gateway}:levels` | stream | how loud all calls are, while somebody watches | trimmed | 100 entries |
| `{gateway}:watched` | string | somebody watches | 6 s after the last look | one byte |
| `{gateway}:nodes` | sorted set | ids of nodes by the ms until which they are believed alive | until their calls are closed | one entry a node |
| `{gateway}:node:ID` | hash | what a node says of itself, values as JSON | `LEASE_SECONDS` after its last word | 1 KB |
| `{gateway}:node:ID:commands` | stream | what others want done on its calls | until taken | 1,000 entries |
| `{gateway}:reply:ID` | list | the answer to one command | 30 s | one entry |
| `{gateway}:outbox` | stream | what has to reach somebody outside: webhooks, records | until delivered or expired | 1,000,000 entries; beyond them the oldest go, which is logged and counted |
| `{gateway}:outbox:dead` | stream | what was given up | trimmed | 10,000 entries |
| `{gateway}:outbox:courier` | string | the node that delivers now | `LEASE_SECONDS` after its last word | one name |
| `{gateway}:idempotency:KEY` | string | the first answer to a request | 24 h | 1 KB |
| `{gateway}:erased` | stream | ids of calls whose records were erased, for nodes that were away | trimmed | 10,000 entries |
| `{gateway}:keys` | hash | API keys: who, what they may, SHA-256 of the secret | until removed | one field a key |
| `{gateway}:hours` | hash | what was said of calendars: open, until (epoch s), by | until removed | one field a calendar |
| `{gateway}:voicemails` | sorted set | ids of messages that callers left, by time (epoch s) | trimmed with `recordings.keep_days` | one entry a message |
| `{gateway}:voicemail:ID` | string | a message, as JSON: mailbox, caller, length, words; or that it was removed | `recordings.keep_days`; 90 days once removed | 1 KB and the words |
| `{gateway}:peer` | string | what nodes show each other for what they ask on behalf of a client | for ever | 43 bytes |
| `{gateway}:audit` | stream | who asked for what, and what came of it | trimmed | 10,000 entries |

All have the same hash tag, for what belongs together is written in one transaction: in a Redis Cluster they lie in one
slot. Two installations share a server by two databases (`redis://host/1`).
"""

from __future__ import annotations

PREFIX = "{gateway}"

LIVE = f"{PREFIX}:calls:live"
ENDED = f"{PREFIX}:calls:ended"
EVENTS = f"{PREFIX}:events"
LEVELS = f"{PREFIX}:levels"
WATCHED = f"{PREFIX}:watched"
NODES = f"{PREFIX}:nodes"
OUTBOX = f"{PREFIX}:outbox"
DEAD = f"{PREFIX}:outbox:dead"
COURIER = f"{PREFIX}:outbox:courier"
KEYS = f"{PREFIX}:keys"
AUDIT = f"{PREFIX}:audit"
ERASED = f"{PREFIX}:erased"
HOURS = f"{PREFIX}:hours"
VOICEMAILS = f"{PREFIX}:voicemails"
PEER = f"{PREFIX}:peer"

MAX_EVENTS = 2000
"""Length of one call's stream; the oldest go first."""

MAX_WATCHED = 5000
MAX_LEVELS = 100
WATCHED_SECONDS = 6
MAX_COMMANDS = 1000
MAX_OUTBOX = 1_000_000
MAX_DEAD = 10_000
MAX_AUDIT = 10_000
MAX_ERASED = 10_000

LEASE_SECONDS = 10.0
"""For which a node is believed alive after each word of it."""


def call(call_id: str) -> str:
    return f"{PREFIX}:call:{call_id}"


def events(call_id: str) -> str:
    return f"{PREFIX}:call:{call_id}:events"


def voicemail(message_id: str) -> str:
    return f"{PREFIX}:voicemail:{message_id}"


def levels(call_id: str) -> str:
    return f"{PREFIX}:call:{call_id}:levels"


def node(node_id: str) -> str:
    return f"{PREFIX}:node:{node_id}"


def commands(node_id: str) -> str:
    return f"{PREFIX}:node:{node_id}:commands"


def reply(ask_id: str) -> str:
    return f"{PREFIX}:reply:{ask_id}"


def idempotency(key: str) -> str:
    return f"{PREFIX}:idempotency:{key}"
