"""A whole installation and a broken one, examined: with a real Redis, provider, registrar and certificates."""

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from psutil import Process

from gateway.cli.doctor import examine
from gateway.cli.port_holder import _named
from gateway.local import LocalServer, LocalSettings, Script
from gateway.sip import Credentials, SipSettings, Trunk, UserAgent
from gateway.store.connection import server_executable
from tests.certificates import make_certificate
from tests.gatewayd import free_port
from tests.store.servers import start_server

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")
GATEWAY = Path(sys.executable).parent / "gateway"
FILE = """
agents: agents
sip: {{port: {sip}, tls: {{certificate: {cert}/cert.pem, key: {cert}/key.pem, port: {tls}}}}}
http: {{port: {http}}}
redis: {{url: "redis://127.0.0.1:{redis}"}}
providers:
  acme: {{url: "ws://127.0.0.1:{provider}/v1/realtime", key_env: ACME_KEY}}
trunks:
  - name: carrier
    server: "sip:{registrar}"
    register_seconds: 300
    login: {{username: ann, password_env: PASSWORD}}
routes: [{{agent: bob}}]
recordings: {{folder: tapes, keep_days: 30}}
webhooks: [{{name: crm, url: "http://127.0.0.1:{hook}/x"}}]
"""


@asynccontextmanager
async def surroundings(folder):
    """What a whole installation needs: the ports of Redis, a provider that wants a key, a registrar, and a webhook."""
    (folder / "agents").mkdir()
    (folder / "agents" / "bob.yaml").write_text("provider: acme\nmodel: bob\n")
    (folder / "good").mkdir()
    make_certificate(folder / "good", "gateway.example", ends=90)
    redis, ports = await start_server(folder, port := free_port()), {"redis": port}
    provider = LocalServer(LocalSettings(port=0, key="right", scripts={"bob": Script()}))
    ports["provider"] = int((await provider.listen()).rpartition(":")[2].partition("/")[0])
    registrar = UserAgent(SipSettings(port=0, trunks=(Trunk("p", users=(Credentials("ann", "right"),)),)), print)
    await registrar.listen()
    ports["registrar"] = f"127.0.0.1:{registrar.port}"
    hook = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    ports["hook"] = hook.sockets[0].getsockname()[1]
    try:
        yield ports | {name: free_port() for name in ("sip", "tls", "http")} | {"cert": folder / "good"}
    finally:
        hook.close()
        await registrar.close()
        await provider.close()
        redis.terminate()
        await redis.wait()


def write(folder, values):
    path = folder / "gateway.yaml"
    path.write_text(FILE.format(**values))
    return path


async def test_a_whole_installation(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "right")
    monkeypatch.setenv("PASSWORD", "right")
    async with surroundings(tmp_path) as ports:
        path = write(tmp_path, ports)
        found, shown = [], []
        found = await examine(path, shown.append)
        lines = [one.line for one in found]
        assert shown == found
        assert [one.line for one in found if one.good is False] == []
        for expected in (
            "gateway.yaml is good", "SIP over UDP: 127.0.0.1:", "SIP over TLS:", "HTTP:", "RTP: 5000 calls fit",
            "recordings: ", "certificate of SIP: for 127.0.0.1, for 89 more days", "Redis: version ",
            "clock, by Redis: differs by", "provider acme, as bob asks it: a session with bob is ready in",
            "webhook crm: 127.0.0.1:", "answers OPTIONS with 200 OK", "the registrar takes the login",
            "public address: cannot be known from here",
        ):  # fmt: skip
            assert any(expected in line for line in lines), (expected, lines)
        told = await asyncio.create_subprocess_exec(GATEWAY, "doctor", "-c", path, "--json", stdout=-1, stderr=-1)
        out, err = await asyncio.wait_for(told.communicate(), 60)
        assert (told.returncode, err) == (0, b"")
        body = json.loads(out)
        assert body["good"] is True
        assert {one["what"] for one in body["findings"]} == {one.what for one in found}
        assert not (tmp_path / "tapes").exists()  # nothing is made by looking


async def test_a_broken_installation_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "wrong")
    monkeypatch.setenv("PASSWORD", "wrong")
    async with surroundings(tmp_path) as ports:
        (tmp_path / "old").mkdir()
        make_certificate(tmp_path / "old", "gateway.example", begins=-20, ends=-10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            broken = {
                "redis": free_port(),
                "hook": free_port(),
                "cert": tmp_path / "old",
                "sip": taken.getsockname()[1],
            }
            path = write(tmp_path, ports | broken)
            told = await asyncio.create_subprocess_exec(GATEWAY, "check", "--online", "-c", path, stdout=-1, stderr=-1)
            out, err = await asyncio.wait_for(told.communicate(), 60)
        assert (told.returncode, err) == (1, b"")
        bad = [line for line in out.decode().splitlines() if line.startswith("✘")]
        for expected, line in zip(
            (
                "SIP over UDP: 127.0.0.1:", "certificate of SIP: ended on", "Redis: Redis at redis://127.0.0.1:",
                "provider acme, as bob asks it:", "webhook crm: 127.0.0.1:", "trunk carrier: the registrar says 40",
            ),
            bad, strict=True,
        ):  # fmt: skip
            assert expected in line, out.decode()
        assert f"address already in use by {_named(Process().cmdline())} (process {os.getpid()}); " in bad[0]
        assert "choose another sip.port, or end what uses it" in bad[0]
        assert "renew it, then SIGHUP" in bad[1]
        assert "connection refused; start it, or correct redis.url" in bad[2]
        assert "401; check the provider's key" in bad[3]
        assert "connection refused" in bad[4]
        assert "correct login.username and its password" in bad[5]
        assert "6 of " in out.decode().splitlines()[-1]
        assert "Errno" not in out.decode()


async def test_names_that_are_nowhere_a_model_that_is_none_and_a_certificate_to_come(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "right")
    monkeypatch.setenv("PASSWORD", "right")
    async with surroundings(tmp_path) as ports:
        (tmp_path / "agents" / "bob.yaml").write_text("provider: acme\nmodel: nobody\n")
        (tmp_path / "new").mkdir()
        make_certificate(tmp_path / "new", "gateway.example", begins=5, ends=90)
        path = write(tmp_path, ports | {"registrar": "no.such.host.invalid", "cert": tmp_path / "new"})
        lines = [one.line for one in await examine(path) if one.good is False]
        assert len(lines) == 3
        assert "is this machine's clock right?" in lines[0]
        assert "404; check the provider's url and the agent's model" in lines[1]
        assert "no.such.host.invalid is nowhere to be found: the name has no address; correct its server" in lines[2]


async def test_a_file_that_is_wrong_is_all_that_is_said(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("agents: nowhere\nsip: {prot: 1}\n")
    found = await examine(path)
    assert [one.good for one in found] == [False]
    assert "sip.prot: there is no such key; did you mean port?" in found[0].line
