import httpx

from gateway import __version__
from gateway.web import http_client


async def test_our_clients_say_who_they_are():
    async with http_client() as client:
        assert client.headers["user-agent"] == f"voice-agent-gateway/{__version__}"
        assert client.timeout == httpx.Timeout(5.0)
