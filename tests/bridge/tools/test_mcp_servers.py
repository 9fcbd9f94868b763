"""MCP servers that were not written here (mcp-server-time), and ones that are not there."""

import asyncio
import os
import signal
import sys

import pytest

from gateway.bridge import McpSettings
from gateway.bridge.tools import mcp_servers
from gateway.bridge.tools.mcp_servers import McpServer
from gateway.errors import ConfigError, ToolError
from tests.bridge.call.test_call import FACTS
from tests.gatewayd import free_port

CLOCK = McpSettings("clock", (sys.executable, "-m", "mcp_server_time"), {"TZ": "UTC"})


async def ask(server, tool, arguments):
    (found,) = [one for one in server.tools if one.name == tool]
    return await found.bind(arguments, FACTS, "c1")()


async def test_its_tools_are_offered_and_answer():
    async with McpServer(CLOCK) as server:
        names = [tool.name for tool in server.tools]
        assert names == ["clock_get_current_time", "clock_convert_time"]
        assert server.tools[1].definition["parameters"]["required"] == ["source_timezone", "time", "target_timezone"]
        wanted = '{"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}'
        assert "T21:00:00+09:00" in await ask(server, "clock_convert_time", wanted)
        with pytest.raises(ToolError, match="'source_timezone' is a required property"):
            await ask(server, "clock_convert_time", "{}")
        with pytest.raises(ToolError, match="Middle/Earth"):
            await ask(server, "clock_get_current_time", '{"timezone": "Middle/Earth"}')
        both = [ask(server, "clock_get_current_time", '{"timezone": "UTC"}') for _ in range(5)]
        assert len(await asyncio.gather(*both)) == 5


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


async def test_one_that_dies_is_started_again(monkeypatch):
    monkeypatch.setattr(mcp_servers, "AGAIN_SECONDS", 0.1)
    before = set(children())
    async with McpServer(CLOCK) as server:
        (process,) = set(children()) - before
        os.kill(process, signal.SIGKILL)
        with pytest.raises(ToolError, match="the MCP server clock"):
            await ask(server, "clock_get_current_time", '{"timezone": "UTC"}')
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await ask(server, "clock_get_current_time", '{"timezone": "UTC"}')
                    break
                except ToolError:
                    await asyncio.sleep(0.1)
    assert set(children()) <= before


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (McpSettings("gone", ("/no/such/program",)), "gone: cannot be used"),
        (
            McpSettings("mute", (sys.executable, "-c", "import sys; sys.stdin.read()")),
            "mute: did not answer within 1 s",
        ),
        (McpSettings("away", url="http://127.0.0.1:9/mcp"), "away: cannot be used"),
    ],
)
async def test_what_is_not_there_is_told_at_the_start(monkeypatch, settings, says):
    monkeypatch.setattr(mcp_servers, "START_SECONDS", 1.0 if settings.name == "mute" else 10.0)
    with pytest.raises(ConfigError, match=says):
        async with McpServer(settings):
            pass


SERVER = """
import sys
from mcp.server import MCPServer
server = MCPServer("adder")

@server.tool()
def add(a: int, b: int) -> int:
    \"\"\"Add two numbers.\"\"\"
    return a + b

server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
"""


async def test_one_that_is_reached_by_http():
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(port), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    async with McpServer(McpSettings("far", url=f"http://127.0.0.1:{port}/mcp")) as server:
                        assert await ask(server, "far_add", '{"a": 40, "b": 2}') == "42"
                        with pytest.raises(ToolError, match="is not of type 'integer'"):
                            await ask(server, "far_add", '{"a": "x", "b": 2}')
                        break
                except ConfigError:  # it does not listen yet
                    await asyncio.sleep(0.2)
    finally:
        process.terminate()
        await process.wait()
