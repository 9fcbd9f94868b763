"""HTTP over a real socket, with Redis there and away."""

import asyncio
import subprocess

import httpx
import pytest

from gateway import api
from gateway.errors import PortInUse
from gateway.local import LocalServer, LocalSettings, Script
from gateway.store.connection import server_executable
from tests.caller import Caller
from tests.gatewayd import running, settings_for

AGENT = "greeting: Hello.\ntranscription: {model: local}\n"


class Redis:
    """A server of the test's own, which keeps what it was told on disk."""

    def __init__(self, folder):
        self.folder, self.url = folder, f"unix://{folder}/redis.sock"
        self.process = None

    def start(self):
        options = ("--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--dir", str(self.folder))
        command = [server_executable(), *options, "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    one = Redis(folder)
    one.start()
    yield one
    one.kill()


@pytest.mark.skipif(server_executable() is None, reason="no redis-server here")
async def test_redis_is_killed_and_comes_back_during_a_call(tmp_path, redis):
    async with (
        running(settings_for(tmp_path, {"bob": AGENT}, redis={"url": redis.url})) as (gateway, _),
        api.serve(gateway) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
        Caller(gateway.sip_port) as call,
    ):

        async def ready(status):
            async with asyncio.timeout(15):
                while (answer := await http.get("/ready")).status_code != status:
                    await call.silence(0.1)
            return answer.json()

        await ready(200)
        assert await call.invite() == 200
        redis.kill()
        packets = call.count
        await call.until_quiet(0.3)  # the greeting is played as if nothing had happened
        away = await ready(503)
        assert "does not answer" in away["problems"][0]
        (live,) = (await http.get("/v1/calls")).json()["data"]  # from memory
        assert (await http.get(f"/v1/calls/{live['call_id']}")).json()["state"] == "answered"
        assert (await http.get("/v1/calls/call_other")).status_code == 503
        assert (await http.get("/v1/calls.csv")).status_code == 503  # a part of them would pass for all
        assert call.count > packets + 20
        call.bye()
        await call.silence(0.2)
        assert len(gateway.switchboard) == 0
        redis.start()
        await ready(200)
        record = {}
        async with asyncio.timeout(10):
            while record.get("state") != "ended":
                record = (await http.get(f"/v1/calls/{live['call_id']}")).json()
        assert [event["type"] for event in record["events"]] == ["incoming", "answered", "transcript", "ended"]
        assert record["transcript"][0]["text"] == "Hello."


async def test_a_port_in_use(tmp_path):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, _), api.serve(gateway) as port:
        taken = settings_for(tmp_path, {"bob": AGENT}, http={"port": port})
        gateway.settings = taken
        with pytest.raises(PortInUse, match=f"HTTP cannot listen on 127.0.0.1:{port}.*--http-port"):
            async with api.serve(gateway):
                pass


async def test_ready_knows_of_a_key_that_is_refused_and_of_a_lost_registration(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", "wrong")
    monkeypatch.setenv("PASSWORD", "x")
    provider = LocalServer(LocalSettings(port=0, key="right", scripts={"bob": Script()}))
    url = await provider.listen()
    trunk = {"name": "acme", "server": "sip:127.0.0.1:9", "register_seconds": 300, "peers": ["127.0.0.1"],
             "login": {"username": "me", "password_env": "PASSWORD"}}  # fmt: skip
    settings = settings_for(
        tmp_path,
        {"bob": "provider: far\nmodel: bob\n"},
        providers={"far": {"url": url, "key_env": "KEY"}},
        trunks=[trunk],
    )
    async with (
        running(settings) as (gateway, _),
        api.serve(gateway) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        told = (await http.get("/ready")).json()  # others than the registrar may call, too
        assert (told["ready"], told["warnings"]) == (True, ["the trunk acme is not registered: not tried yet"])
        gateway.switchboard.user_agent.registrations["acme"].problem = ""
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 503
        answer = await http.get("/ready")
        assert answer.status_code == 503
        (problem,) = answer.json()["problems"]
        assert (
            "no agent can answer: far refuses us: answered the handshake with 401; check the provider's key" in problem
        )
        assert answer.json()["warnings"][0].startswith("the provider far refuses us: answered the handshake with 401")
        (node,) = (await http.get("/v1/nodes")).json()["data"]
        assert node["warnings"] == answer.json()["warnings"]
        assert 'gateway_provider_refused{provider="far"} 1.0' in (await http.get("/metrics")).text
        gateway.switchboard.resources.health._states[
            "far"
        ].until = 0.0  # it may be asked again: who would find out otherwise?
        assert (await http.get("/ready")).json() == {"ready": True, "problems": [], "warnings": [], "calls": 0}
        gateway.switchboard.user_agent.registrations["acme"].problem = "403 Forbidden"
        told = (await http.get("/ready")).json()
        assert told["warnings"] == ["the trunk acme is not registered: 403 Forbidden"]
    await provider.close()
    del trunk["peers"]
    async with running(settings_for(tmp_path, {"bob": AGENT}, trunks=[trunk])) as (gateway, _):
        assert gateway.problems == ["no calls can come in: no trunk is registered"]
        gateway.switchboard.user_agent.registrations["acme"].problem = ""
        assert gateway.problems == []
