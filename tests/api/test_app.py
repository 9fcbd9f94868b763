"""HTTP over a real socket, with Redis there and away."""

import asyncio
import subprocess

import httpx
import pytest

from gateway import api
from gateway.errors import PortInUse
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
