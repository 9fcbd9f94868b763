"""Three nodes behind Kamailio as deploy/cluster has them, file by file, on a network of loopback instead of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gateway.store.connection import server_executable
from tests.caller import Caller
from tests.certificates import make_certificate
from tests.e2e.conftest import GATEWAY, ROOT
from tests.e2e.kamailio import KAMAILIO, needs_kamailio, running_kamailio
from tests.gatewayd import needs_ears

CLUSTER = ROOT / "deploy" / "cluster"
NETWORK = f"127.30.{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:]}."  # of each worker its own
KEY = "0123456789abcdef"
EDGE, CARRIER, STRANGER = f"{NETWORK}10", f"{NETWORK}1", f"{NETWORK}99"
SMALL = "node3"
"""This one takes a single call at once."""
TLS = list(Path("/usr").glob("lib*/**/kamailio/modules/tls.so")) if KAMAILIO else []

pytestmark = [
    pytest.mark.e2e,
    needs_kamailio,
    pytest.mark.skipif(server_executable() is None, reason="no redis-server here"),
]


def moved(path: Path) -> str:
    return path.read_text().replace("172.30.0.", NETWORK)


@dataclass
class Node:
    name: str
    host: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def calls(self) -> int:
        request = urllib.request.Request(f"http://{self.host}:8080/v1/calls?state=answered", headers={"X-API-Key": KEY})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return sum(one["node"].startswith(f"{self.name}-") for one in json.load(answer)["data"])

    @property
    def ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{self.host}:8080/ready", timeout=2):
            return True
        return False


@pytest.fixture
def cluster(tmp_path):
    """By its name each service of compose.yaml that is a gateway, started with the environment that it has there."""
    services = yaml.safe_load((CLUSTER / "compose.yaml").read_text())["services"]
    redis = NETWORK + services["redis"]["networks"]["sip"]["ipv4_address"].rpartition(".")[2]
    command = [str(server_executable()), "--bind", redis, *services["redis"]["command"][1:]]
    store = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    (tmp_path / "gateway.yaml").write_text(moved(CLUSTER / "gateway.yaml"))
    shutil.copytree(ROOT / "deploy" / "docker" / "config" / "agents", tmp_path / "agents")
    nodes = {}
    try:
        for name in ("node1", "node2", "node3"):
            row = services[name]
            host = NETWORK + row["networks"]["sip"]["ipv4_address"].rpartition(".")[2]
            given = {key: str(value) for key, value in row["environment"].items()}
            given |= {"ADMIN_KEY": KEY, "GATEWAY_MEDIA_PUBLIC_HOST": ""}
            given |= {"GATEWAY_SIP_HOST": host, "GATEWAY_HTTP_HOST": host}  # all are on one machine here
            given |= {"GATEWAY_SIP_MAX_CALLS": "1"} if name == SMALL else {}
            log = tmp_path / f"{name}.log"
            with log.open("w") as output:
                process = subprocess.Popen(
                    [str(GATEWAY), "serve", "-c", str(tmp_path / "gateway.yaml")],
                    env={**os.environ, **given}, stdout=output, stderr=output,
                )  # fmt: skip
            nodes[name] = Node(name, host, process, log)
        for node in nodes.values():
            until = time.monotonic() + 30
            while not node.ready:
                assert time.monotonic() < until, node.log.read_text()
                time.sleep(0.1)
        yield nodes
    finally:
        for one in (*(node.process for node in nodes.values()), store):
            if one.poll() is None:
                one.kill()
            one.wait(10)


@contextlib.contextmanager
def edge(folder, *defines, callers=f"{CARRIER} 32"):
    (folder / "kamailio.cfg").write_text(moved(CLUSTER / "kamailio.cfg"))
    (folder / "dispatcher.list").write_text(moved(CLUSTER / "dispatcher.list"))
    assert "\n1 127.0.0.0 8\n" in (CLUSTER / "carriers.list").read_text()
    (folder / "carriers.list").write_text(f"1 {callers}\n")
    known = (
        f"LISTEN_UDP=udp:{EDGE}:5060",
        f"LISTEN_TCP=tcp:{EDGE}:5060",
        f'GATEWAYS="{folder}/dispatcher.list"',
        f'CARRIERS="{folder}/carriers.list"',
        "PING_SECONDS=1",
        f'CONTROL="unix:{folder}/ctl"',
    )
    with running_kamailio(folder / "kamailio.cfg", (EDGE, 5060), (*known, *defines)):
        time.sleep(2.5)  # it has asked all by OPTIONS
        yield


@contextlib.asynccontextmanager
async def calls(number, **more):
    """So many callers whose calls are answered, and where each was: 1 for node1."""
    async with contextlib.AsyncExitStack() as stack:
        found, where = [], []
        for _ in range(number):
            caller = await stack.enter_async_context(Caller(5060, host=CARRIER, server=EDGE, **more))
            assert await caller.invite() == 200, caller.final
            found.append(caller)
            where.append(int(caller._target.partition(NETWORK)[2].partition(":")[0]) - 10)
        yield found, where
        for caller in found:
            caller.bye()


async def until(condition, seconds=8.0):
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.1)


async def test_calls_are_spread_and_each_stays_with_its_node(cluster, tmp_path):
    with edge(tmp_path):
        async with calls(3) as (_, where):
            assert sorted(where) == [1, 2, 3]
            assert [node.calls for node in cluster.values()] == [1, 1, 1]
        await until(lambda: [node.calls for node in cluster.values()] == [0, 0, 0])  # each BYE found its node

        async with Caller(5060, host=STRANGER, server=EDGE) as stranger:
            assert await stranger.invite() == 403

        # a node that says 503 and when to come back is passed over, and its callers hear nothing of it
        async with calls(7) as (_, where):
            assert where.count(3) == 1
            assert min(where.count(1), where.count(2)) >= 2

        # an INVITE that replaces a call goes where that call is
        async with calls(2) as (callers, where):
            for caller, there in zip(callers, where, strict=True):
                async with Caller(5060, host=CARRIER, server=EDGE, headers=f"Replaces: {caller.dialog}\r\n") as other:
                    assert await other.invite() == 200, other.final
                    assert f"{NETWORK}{10 + there}:" in other._target
                    await asyncio.wait_for(caller.over.wait(), 5)
                    other.bye()


async def test_a_node_that_is_stopped_or_killed_gets_no_more_calls(cluster, tmp_path):
    with edge(tmp_path):
        async with calls(2) as (callers, where):
            cluster[f"node{where[0]}"].process.send_signal(signal.SIGTERM)  # it drains: its call goes on
            cluster[f"node{where[1]}"].process.kill()
            (left,) = {1, 2, 3} - set(where)
            if left == 3:  # takes one call at once
                async with calls(1) as (_, there):
                    assert there == [3]
            else:
                async with calls(3) as (_, there):
                    assert set(there) == {left}
            callers[0].bye()
            assert await asyncio.to_thread(cluster[f"node{where[0]}"].process.wait, 10) == 0
        cluster[f"node{left}"].process.terminate()
        await asyncio.to_thread(cluster[f"node{left}"].process.wait, 10)
        await asyncio.sleep(1.5)
        async with Caller(5060, host=CARRIER, server=EDGE) as caller:
            assert await caller.invite() == 503
            assert "Retry-After: 5" in caller.final


@needs_ears
@pytest.mark.skipif(not TLS, reason="Kamailio's TLS is not installed (Debian: kamailio-tls-modules)")
async def test_tls_outside(cluster, tmp_path):
    certificate, key, _ = make_certificate(tmp_path, "edge")
    words = (f"LISTEN_TLS=tls:{EDGE}:5061", f'TLS_CERTIFICATE="{certificate}"', f'TLS_KEY="{key}"')
    with edge(tmp_path, "WITH_TLS=1", *words, callers="127.0.0.0 8"):
        phone = await asyncio.create_subprocess_exec(
            str(GATEWAY), "phone", f"sip:reception@{EDGE}:5061", "--tls", "--stack", "own",
            "--say", "goodbye", "--seconds", "30", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, _ = await asyncio.wait_for(phone.communicate(), 60)
        assert phone.returncode == 0, printed.decode()
        assert printed.count(b"agent, as a machine hears it") >= 2, printed.decode()  # the greeting, and an answer


@pytest.mark.skipif(not shutil.which("rtpengine"), reason="rtpengine is not installed (Debian: rtpengine)")
async def test_one_address_for_all_media(cluster, tmp_path):
    relay = f"{NETWORK}30"
    command = ["rtpengine", "--foreground", "--log-stderr", "--table=-1", f"--interface={relay}"]
    command += [f"--listen-ng={relay}:2223", "--port-min=31000", "--port-max=31099", f"--pidfile={tmp_path}/pid"]
    with (tmp_path / "rtpengine.log").open("w") as log:
        relaying = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        words = (f'RTPENGINE="udp:{relay}:2223"', 'RTPENGINE_FLAGS="replace-origin ICE=remove"')
        with edge(tmp_path, "WITH_RTPENGINE=1", *words):
            async with calls(2) as (callers, where):
                assert len(set(where)) == 2
                for caller in callers:
                    assert f"c=IN IP4 {relay}\r\n" in caller.final
                    assert NETWORK + "11" not in caller.final.partition("\r\n\r\n")[2]
                async with asyncio.timeout(10):
                    while not all(any(not one.silent for one in caller.packets) for caller in callers):
                        await asyncio.sleep(0.1)
    finally:
        relaying.terminate()
        relaying.wait(10)


def test_the_site_file_of_the_page_is_read(tmp_path):
    page = (ROOT / "docs" / "kamailio.md").read_text()
    lines = [line.strip() for line in page.splitlines() if line.startswith(("    #!define", "    # "))]
    assert len(lines) >= 10
    lists = [
        f'#!define {name.upper()} "{CLUSTER}/{file}.list"'
        for name, file in (("gateways", "dispatcher"), ("carriers", "carriers"))
    ]
    (tmp_path / "site.cfg").write_text("\n".join([*lines, *lists, ""]))
    shutil.copy(CLUSTER / "kamailio.cfg", tmp_path)
    done = subprocess.run(
        [str(KAMAILIO), "-c", "-f", str(tmp_path / "kamailio.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "udp: 10.0.0.10:5060 advertise 203.0.113.10:5060" in done.stdout
