"""A node that is killed with calls on it, as the other node, its API and a webhook's receiver see it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest
from standardwebhooks import Webhook

from gateway.store.connection import server_executable
from tests.caller import Caller
from tests.gatewayd import free_port
from tests.store.servers import start_server

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(server_executable() is None, reason="no redis-server here")]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CALLS = 10
CONFIG = """
node: {name}
sip: {{port: {sip}}}
http: {{port: {http}}}
media: {{first_port: {media}, last_port: {last}}}
redis: {{url: "redis://127.0.0.1:{redis}"}}
agents: {agents}
routes: [{{agent: eve}}]
webhooks: [{{url: "http://127.0.0.1:{hook}/", secret_env: HOOK_SECRET, events: [call.answered, call.ended]}}]
records: {{file: {name}.jsonl}}
drain_seconds: 0
"""


@asynccontextmanager
async def receiver():
    """A webhook's, which refuses the first try of each; its port and what it took."""
    taken, tried = [], set()

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines()[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        event = Webhook(SECRET).verify(body.decode(), headers)
        first = headers["webhook-id"] not in tried
        tried.add(headers["webhook-id"])
        if not first:
            taken.append(event)
        writer.write(
            f"HTTP/1.1 {'503 No' if first else '204 OK'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], taken


async def test_a_node_is_killed_with_ten_calls(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "eve.yaml").write_text("greeting: Hello.\n")
    redis = await start_server(tmp_path, port := free_port())
    processes = []
    try:
        async with receiver() as (hook, taken), AsyncExitStack() as stack:
            clients, sips = [], []
            for number, name in enumerate(("one", "two")):
                sip, http, media = free_port(), free_port(), 40000 + 2000 * number
                ports = {"sip": sip, "http": http, "media": media, "last": media + 999, "redis": port, "hook": hook}
                (tmp_path / f"{name}.yaml").write_text(CONFIG.format(name=name, agents=tmp_path / "agents", **ports))
                command = [Path(sys.executable).parent / "gateway", "serve", "-c", tmp_path / f"{name}.yaml"]
                log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
                environment = os.environ | {"HOOK_SECRET": SECRET}
                processes.append(subprocess.Popen(command, stderr=log, env=environment))
                client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}", timeout=20)
                clients.append(await stack.enter_async_context(client))
                sips.append(sip)
            two = clients[1]
            for client in clients:
                await answers(client, "/ready")
            callers = [await stack.enter_async_context(Caller(sips[0])) for _ in range(CALLS)]
            assert [await caller.invite() for caller in callers] == [200] * CALLS
            other = await stack.enter_async_context(Caller(sips[1]))
            assert await other.invite() == 200
            await until(lambda: len([event for event in taken if event["type"] == "call.answered"]) == CALLS + 1, other)
            live = (await two.get("/v1/calls?live=true")).json()["data"]
            assert len(live) == CALLS + 1
            node = next(call["node"] for call in live if call["node"].startswith("one-"))
            survivor = next(call["node"] for call in live if call["node"] != node)
            processes[0].send_signal(signal.SIGKILL)
            killed = time.monotonic()
            lost = next(call["call_id"] for call in live if call["node"] == node)
            answer = await two.post(f"/v1/calls/{lost}/hangup")  # before anybody has noticed
            assert (answer.status_code, "did not answer within 5 s" in answer.json()["detail"]) == (504, True)
            async with asyncio.timeout(25):
                while len((await two.get("/v1/calls?live=true&node=" + node)).json()["data"]):
                    await other.silence(0.2)
            took = time.monotonic() - killed
            print(f"the list was right {took:.1f} s after the end")
            assert [row["id"] for row in (await two.get("/v1/nodes")).json()["data"]] == [survivor]
            ended = (await two.get(f"/v1/calls?outcome=node_died&node={node}")).json()["data"]
            assert len(ended) == CALLS
            for record in ended:
                whole = (await two.get(f"/v1/calls/{record['call_id']}")).json()
                assert [event["type"] for event in whole["events"]].count("ended") == 1
                assert whole["ended_at"] <= time.time()
                assert (await two.post(f"/v1/calls/{record['call_id']}/hangup")).status_code == 404
            await until(lambda: len([event for event in taken if event["type"] == "call.ended"]) == CALLS, other)
            hooks = [event for event in taken if event["type"] == "call.ended"]
            assert {event["data"]["outcome"] for event in hooks} == {"node_died"}
            assert {event["data"]["call_id"] for event in hooks} == {record["call_id"] for record in ended}
            async with asyncio.timeout(5):
                while not (tmp_path / "two.jsonl").exists():
                    await other.silence(0.1)
            await other.silence(0.3)
            lines = [orjson.loads(line) for line in (tmp_path / "two.jsonl").read_bytes().splitlines()]
            assert {line["call_id"] for line in lines} == {record["call_id"] for record in ended}
            assert {tuple(one["text"] for one in line["transcript"]) for line in lines} <= {("Hello.",), ()}
            metrics = (await two.get("/metrics")).text
            assert f"gateway_calls_closed_for_others_total {CALLS}.0" in metrics
            assert f'gateway_calls_total{{outcome="node_died"}} {CALLS}.0' in metrics
            assert (await two.get("/v1/calls?live=true")).json()["data"][0]["state"] == "answered"  # its own goes on
            other.bye()
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(70)
        redis.terminate()
        await redis.wait()


async def answers(client, path):
    async with asyncio.timeout(20):
        while True:
            try:
                if (await client.get(path)).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def until(condition, call):
    async with asyncio.timeout(25):
        while not condition():
            await call.silence(0.1)
