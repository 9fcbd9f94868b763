"""Call records in PostgreSQL: a row for each call, with the whole record as JSON beside what is searched for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import structlog

from gateway.delivery.courier import PermanentFailure
from gateway.delivery.jsonl import full_record
from gateway.errors import StoreUnavailable
from gateway.store.outbox import ERASE

log = structlog.get_logger("gateway.delivery")

MIGRATIONS = (
    """
    CREATE TABLE calls (
        call_id text PRIMARY KEY,
        direction text NOT NULL,
        node text NOT NULL,
        trunk text NOT NULL,
        agent text NOT NULL,
        caller text NOT NULL,
        called text NOT NULL,
        started_at timestamptz NOT NULL,
        answered_at timestamptz,
        ended_at timestamptz NOT NULL,
        outcome text NOT NULL,
        seconds double precision NOT NULL,
        cost double precision,
        record jsonb NOT NULL
    );
    CREATE INDEX calls_started_at ON calls (started_at);
    CREATE INDEX calls_caller ON calls (caller);
    CREATE INDEX calls_agent ON calls (agent, started_at);
    """,
)
"""In order, each once; what was done stands in `gateway_migrations`."""

_LOCK = 4_716_227  # of all gateways, so that two that start together do not migrate together

_INSERT = """
INSERT INTO calls VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (call_id) DO UPDATE SET
    ended_at = excluded.ended_at, answered_at = excluded.answered_at, outcome = excluded.outcome,
    seconds = excluded.seconds, cost = excluded.cost, record = excluded.record, agent = excluded.agent
"""


_USER = "split_part(split_part({}, ':', 2), '@', 1)"
_NUMBER = f"regexp_replace(regexp_replace({_USER}, '[-.() /]', '', 'g'), '^([+]|00)', '')"
"""As `gateway.retention.plain` has it."""

_ERASE = f"""
DELETE FROM calls WHERE call_id = ANY($1::text[])
    OR ($2 <> '' AND $2 IN (lower({_NUMBER.format("caller")}), lower({_NUMBER.format("called")})))
RETURNING call_id
"""


class PostgresReceiver:
    """`read` gives a call's record with its events, from Redis. `on_erased` hears whose rows were erased."""

    def __init__(
        self,
        url: str,
        read: Callable[[str], Awaitable[dict[str, Any] | None]],
        on_erased: Callable[[list[str]], Awaitable[None]] | None = None,
    ) -> None:
        self._url, self._read, self._on_erased = url, read, on_erased
        self._pool: Any = None
        self._opening = asyncio.Lock()

    async def deliver(self, call_id: str, body: str) -> str:
        try:
            if body.startswith(ERASE):
                await self._erase(**orjson.loads(body.removeprefix(ERASE)))
                return ""
            record = await self._read(call_id)
            if record is None:
                raise PermanentFailure(f"Redis has no record of {call_id} any more")
            pool = await self._connected()
            await pool.execute(_INSERT, *row_of(full_record(record, record.pop("events"))))
        except StoreUnavailable as error:
            return str(error)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise PermanentFailure(f"PostgreSQL does not take it: {error}") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            return f"PostgreSQL: {type(error).__name__}: {error}"
        return ""

    async def _erase(self, ids: list[str], number: str) -> None:
        pool = await self._connected()
        rows = await pool.fetch(_ERASE, ids, number)
        if self._on_erased and rows:
            await self._on_erased([row["call_id"] for row in rows])

    async def expire(self, seconds: float) -> None:
        """Erase the rows of calls that ended longer ago."""
        try:
            pool = await self._connected()
            await pool.execute("DELETE FROM calls WHERE ended_at < now() - make_interval(secs => $1)", seconds)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.error("records.not_expired", problem=f"{type(error).__name__}: {error}")

    async def _connected(self) -> Any:
        async with self._opening:
            if self._pool is None:
                pool = await asyncpg.create_pool(self._url, min_size=0, max_size=4, timeout=5, command_timeout=10)
                try:
                    await migrate(pool)
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
        return self._pool

    async def close(self) -> None:
        if self._pool:
            self._pool.terminate()


async def migrate(pool: Any) -> None:
    """Bring the tables to what this version needs."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute("CREATE TABLE IF NOT EXISTS gateway_migrations (number integer PRIMARY KEY)")
        done = await connection.fetchval("SELECT coalesce(max(number), 0) FROM gateway_migrations")
        for number, sql in enumerate(MIGRATIONS, 1):
            if number > done:
                await connection.execute(sql)
                await connection.execute("INSERT INTO gateway_migrations VALUES ($1)", number)
                log.info("records.migrated", number=number)


def row_of(record: dict[str, Any]) -> tuple[Any, ...]:
    record = _without_nul(record)
    answered, ended = record.get("answered_at"), record["ended_at"]
    return (
        record["call_id"],
        record.get("direction", ""),
        record.get("node", ""),
        record.get("trunk", ""),
        record.get("agent", ""),
        record.get("caller", ""),
        record.get("called", ""),
        _time(record.get("started_at", ended)),
        _time(answered) if answered else None,
        _time(ended),
        record.get("outcome", ""),
        float(ended - answered) if answered else 0.0,
        record.get("cost"),
        orjson.dumps(record).decode(),
    )


def _without_nul(value: Any) -> Any:
    """U+0000, which neither text nor jsonb can hold."""
    if isinstance(value, dict):
        return {key: _without_nul(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    return value.replace("\0", "") if isinstance(value, str) else value


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
