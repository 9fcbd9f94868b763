"""A real PostgreSQL, started for the test."""

import asyncio
import os
import shutil
import socket
import subprocess
from pathlib import Path

import asyncpg
import orjson
import pytest

from gateway.delivery.courier import PermanentFailure
from gateway.delivery.postgres import MIGRATIONS, PostgresReceiver, row_of
from gateway.errors import StoreUnavailable
from gateway.retention import plain
from gateway.store.outbox import ERASE

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)

needs_postgres = pytest.mark.skipif(BIN is None, reason="no PostgreSQL here")
RECORD = {
    "call_id": "c", "direction": "inbound", "node": "n", "trunk": "t", "agent": "eve", "caller": "sip:a@h",
    "called": "sip:b@h", "started_at": 100.0, "answered_at": 101.0, "ended_at": 111.5, "outcome": "caller_hung_up",
    "cost": 0.25,
    "events": [{"type": "transcript", "at": 102.0, "data": {"role": "user", "text": "nul \0 here"}}],
}  # fmt: skip


@pytest.fixture
def postgres(tmp_path):
    """Its URL, and a way to start and stop it. It does not run as root."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    folder = Path("/tmp") / f"gateway-postgres-{port}"
    folder.mkdir(mode=0o777)
    user = {"user": "nobody"} if os.getuid() == 0 else {}
    if user:
        shutil.chown(folder, "nobody")
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
    subprocess.run([BIN / "initdb", "-D", data, "-U", "gateway", "-A", "trust", "--no-sync"], check=True, **quiet)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"

    def control(*what):
        subprocess.run([BIN / "pg_ctl", "-D", data, "-w", "-o", options, *what], check=True, **quiet)

    control("start")
    yield f"postgresql://gateway@127.0.0.1:{port}/postgres", control
    control("stop", "-m", "immediate")
    shutil.rmtree(folder)


async def known(call_id):
    return {**RECORD, "events": list(RECORD["events"])} if call_id == "c" else None


@needs_postgres
async def test_a_row_for_each_call_once_and_after_an_outage(postgres):
    url, control = postgres
    one, other = PostgresReceiver(url, known), PostgresReceiver(url, known)
    assert await asyncio.gather(one.deliver("c", ""), other.deliver("c", "")) == ["", ""]  # both migrate at once
    assert await one.deliver("c", "") == ""
    connection = await asyncpg.connect(url)
    (row,) = await connection.fetch("SELECT * FROM calls")
    assert (row["call_id"], row["seconds"], row["cost"], row["outcome"]) == ("c", 10.5, 0.25, "caller_hung_up")
    assert orjson.loads(row["record"])["transcript"] == [{"at": 102.0, "role": "user", "text": "nul  here"}]
    assert await connection.fetchval("SELECT count(*) FROM gateway_migrations") == len(MIGRATIONS)
    await connection.close()
    await asyncio.to_thread(control, "stop", "-m", "immediate")
    assert "PostgreSQL: " in await one.deliver("c", "")
    await asyncio.to_thread(control, "start")
    async with asyncio.timeout(20):
        while await one.deliver("c", ""):
            await asyncio.sleep(0.2)
    for receiver in (one, other):
        await receiver.close()


@needs_postgres
async def test_rows_are_erased_by_call_by_number_and_by_age(postgres):
    url, _ = postgres
    calls = {
        name: {**RECORD, "call_id": name, "caller": caller, "ended_at": ended, "events": []}
        for name, caller, ended in (
            ("a", "sip:+1-555-0100@h", 2e9), ("b", "tel:0015550100", 2e9), ("c", "sip:Ann@h", 2e9),
            ("d", "sip:15550101@h", 2e9), ("e", "sip:x@h", 120.0))}  # fmt: skip

    async def read(call_id):
        return {**calls[call_id]}

    told = []

    async def erased(ids):
        told.extend(ids)

    receiver = PostgresReceiver(url, read, erased)
    connection = await asyncpg.connect(url)

    async def left():
        return [row["call_id"] for row in await connection.fetch("SELECT call_id FROM calls ORDER BY call_id")]

    for name in calls:
        assert await receiver.deliver(name, "") == ""
    assert await receiver.deliver("", ERASE + orjson.dumps({"ids": [], "number": plain("+1 555 0100")}).decode()) == ""
    assert (sorted(told), await left()) == (["a", "b"], ["c", "d", "e"])
    assert await receiver.deliver("d", ERASE + orjson.dumps({"ids": ["d"], "number": "ann"}).decode()) == ""
    assert await left() == ["e"]
    await receiver.expire(1e9)
    assert await left() == []
    await connection.close()
    await receiver.close()


async def test_a_record_that_is_gone_and_a_redis_that_is_away():
    async def away(call_id):
        raise StoreUnavailable("redis://h", "gone")

    with pytest.raises(PermanentFailure, match="no record of x"):
        await PostgresReceiver("postgresql://h", known).deliver("x", "")
    assert "redis://h" in await PostgresReceiver("postgresql://h", away).deliver("c", "")


def test_a_call_that_was_never_answered():
    row = row_of({"call_id": "c", "ended_at": 5.0, "outcome": "no_route"})
    assert (row[8], row[11]) == (None, 0.0)
