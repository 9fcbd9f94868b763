"""Redis as deploy/redis has it: a master that is killed under a call is followed by another, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.request

import pytest
import redis

from gateway.store.connection import server_executable
from tests.caller import Caller
from tests.e2e.conftest import GATEWAY, ROOT
from tests.gatewayd import free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.skipif(server_executable() is None, reason="no redis-server here"),
]
HOSTS = [f"127.31.0.{number}" for number in (21, 22, 23)]
FILE = """
sip: {{port: {sip}}}
http: {{port: {http}}}
redis: {{url: "redis+sentinel://{sentinels}/gateway"}}
routes: [{{called: "*", agent: desk}}]
agents: agents
"""


def moved(name, host):
    """A file of deploy/redis, for another machine: all of them are on loopback here."""
    text = (ROOT / "deploy" / "redis" / name).read_text()
    text = text.replace("bind 10.0.0.21 127.0.0.1", f"bind {host}")
    if host != HOSTS[0]:
        text = text.replace("# replicaof", "replicaof")
    return text.replace("10.0.0.21", HOSTS[0])


@pytest.fixture
def servers(tmp_path):
    """Three servers, and three sentinels that know each other; the servers by their address."""
    running, children = {}, []
    try:
        for kind in ("redis", "sentinel"):
            for host in HOSTS:
                folder = tmp_path / f"{kind}-{host}"
                folder.mkdir()
                (folder / f"{kind}.conf").write_text(moved(f"{kind}.conf", host))
                words = [str(server_executable()), f"{kind}.conf", *(["--sentinel"] if kind == "sentinel" else [])]
                child = subprocess.Popen(words, cwd=folder, stdout=(folder / "log").open("w"), stderr=subprocess.STDOUT)
                children.append(child)
                if kind == "redis":
                    running[host] = child
        with redis.Redis(HOSTS[2], 26379, decode_responses=True) as one:
            end = time.monotonic() + 30
            while True:
                try:
                    if (
                        one.sentinel_master("gateway")["num-other-sentinels"] == 2
                        and len(one.sentinel_slaves("gateway")) == 2
                    ):
                        break
                except redis.RedisError:
                    pass
                assert time.monotonic() < end
                time.sleep(0.2)
        yield running
    finally:
        for child in children:
            child.kill()
            child.wait(10)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_master_is_killed_under_a_call(servers, tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.yaml").write_text("greeting: Good day.\ntranscription: {model: local}\n")
    sip, http = free_port(), free_port()
    sentinels = ",".join(f"{host}:26379" for host in HOSTS)
    (tmp_path / "gateway.yaml").write_text(FILE.format(sip=sip, http=http, sentinels=sentinels))

    def ready():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/ready", timeout=3) as answer:
                return answer.status == 200
        except OSError:
            return False

    async def until(wanted, seconds):
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(ready) != wanted:
                await asyncio.sleep(0.2)
        return time.monotonic() - begun

    with (tmp_path / "log").open("w") as log:
        gateway = subprocess.Popen(
            [str(GATEWAY), "serve", "-c", str(tmp_path / "gateway.yaml")], stdout=log, stderr=log, env=dict(os.environ)
        )
    try:
        await until(True, 20)
        async with Caller(sip, "desk") as caller:
            assert await caller.invite() == 200
            servers[HOSTS[0]].kill()
            away = await until(False, 15)
            back = await until(True, 40)
            assert not caller.over.is_set()  # the call goes on
            before = len(caller.packets)
            await asyncio.sleep(1)
            assert len(caller.packets) > before + 30
            caller.bye()
            await asyncio.sleep(1.5)
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/v1/calls", timeout=5) as answer:
            (record,) = json.load(answer)["data"]
        assert (record["state"], record["outcome"]) == ("ended", "caller_hung_up")
        with redis.Redis(HOSTS[1], 26379, decode_responses=True) as one:
            host, port = one.sentinel_get_master_addr_by_name("gateway")
        assert host in HOSTS[1:]
        with redis.Redis(host, port, decode_responses=True) as one:
            assert one.zscore("{gateway}:calls:ended", record["call_id"])
        print(f"not ready {away:.1f} s after the kill, ready again {back:.1f} s later")
    finally:
        gateway.terminate()
        gateway.wait(20)
