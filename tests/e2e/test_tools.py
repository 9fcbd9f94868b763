"""Tools of every kind in one call: Python, a webhook that fails twice, an MCP server that was not written here."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import orjson
import pytest
from websockets.asyncio.server import serve

from tests.caller import Caller
from tests.e2e.test_failover import of, until
from tests.gatewayd import running, settings_for

pytestmark = pytest.mark.e2e

AGENT = """
provider: asking
tools: [slow_lookup, book, clock_*, update_agent, set_disposition]
mcp: [clock]
update_agent: [colleague]
dispositions: [sold]
slow_tools: {{after_seconds: 0.3, says: One moment please.}}
webhooks:
  book:
    url: http://127.0.0.1:{port}/book
    description: Book a table.
    parameters: {{properties: {{day: {{type: string}}}}}}
"""

CODE = '''
import asyncio
from gateway.agents import tool

@tool
async def slow_lookup(name: str) -> str:
    """Look somebody up."""
    await asyncio.sleep(1.2)
    return f"{name} is known"
'''


class Asking:
    """A provider whose model calls whatever the test wants; it notes what it is sent, with the time."""

    def __init__(self):
        self.sent, self.socket, self.ready = [], None, asyncio.Event()

    async def __call__(self, websocket):
        await websocket.send('{"type":"session.created","session":{"id":"s"}}')
        async for text in websocket:
            event = orjson.loads(text)
            if event["type"] == "session.update":
                self.socket = websocket
                await websocket.send('{"type":"session.updated","session":{}}')
                self.ready.set()
            if event["type"] != "input_audio_buffer.append":
                self.sent.append((time.monotonic(), event))
            if event["type"] == "response.create":  # the words themselves do not matter
                await self.respond()

    async def respond(self, *calls):
        output = [
            {"type": "function_call", "call_id": call_id, "name": name, "arguments": json.dumps(arguments)}
            for call_id, name, arguments in calls
        ]
        response = {"id": f"r{len(self.sent)}", "status": "completed", "output": output}
        await self.socket.send(json.dumps({"type": "response.created", "response": {"id": response["id"]}}))
        await self.socket.send(json.dumps({"type": "response.done", "response": response}))

    def outputs(self):
        items = [event["item"] for _, event in self.sent if event["type"] == "conversation.item.create"]
        return {item["call_id"]: item["output"] for item in items if item["type"] == "function_call_output"}

    def creates(self):
        return [event.get("response", {}) for _, event in self.sent if event["type"] == "response.create"]


async def test_tools_of_every_kind_at_once(tmp_path):
    asked = []

    async def book(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length"))
        asked.append(json.loads(await reader.readexactly(int(length.split(":")[1]))))
        status = "200 OK" if len(asked) == 3 else "503 Busy"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\nbooked".encode())
        await writer.drain()
        writer.close()

    listener, provider = await asyncio.start_server(book, "127.0.0.1", 0), Asking()
    (tmp_path / "eve.py").write_text(CODE)
    agents = {
        "eve": AGENT.format(port=listener.sockets[0].getsockname()[1]),
        "colleague": "provider: asking\ninstructions: You are the colleague.\n",
    }
    async with serve(provider, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/realtime"
        settings = settings_for(
            tmp_path,
            agents,
            providers={"asking": {"url": url}},
            mcp={"clock": {"command": [sys.executable, "-m", "mcp_server_time"]}},
        )
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            offered = [tool["name"] for tool in provider.sent[0][1]["session"]["tools"]]
            own, theirs = ["slow_lookup", "book"], ["clock_get_current_time", "clock_convert_time"]
            assert offered == [*own, *theirs, "update_agent", "set_disposition"]
            tokyo = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
            began = time.monotonic()
            await provider.respond(
                ("c1", "slow_lookup", {"name": "Ann"}),
                ("c2", "book", {"day": "today"}),
                ("c3", "clock_convert_time", tokyo),
                ("c4", "clock_get_current_time", {"timezone": "Middle/Earth"}),
                ("c5", "set_disposition", {"disposition": "sold"}),
            )
            await until(call, lambda: len(provider.outputs()) == 5)
            await until(call, lambda: provider.creates()[-1:] == [{}])
            took = time.monotonic() - began
            assert 1.2 < took < 2.4  # the slow one's time, and not the sum
            outputs = provider.outputs()
            assert (outputs["c1"], outputs["c2"], outputs["c5"]) == ("Ann is known", "booked", "noted")
            assert "21:00:00+09:00" in outputs["c3"]
            assert "error" in outputs["c4"]
            assert [body["arguments"] for body in asked] == [{"day": "today"}] * 3
            creates = provider.creates()
            assert creates == [{"instructions": "Say exactly: One moment please."}, {}]  # and one answer to all five
            await provider.respond(("c6", "update_agent", {"agent": "colleague"}))
            await until(call, lambda: provider.sent[-1][1]["type"] == "session.update")
            changed = provider.sent[-1][1]["session"]
            assert (changed["instructions"], changed["tools"]) == ("You are the colleague.", [])
            record = gateway.switchboard.calls[0].record()
            assert (record["agent"], record["disposition"], record["tool_calls"]) == ("colleague", "sold", 6)
            assert of(events, "agent_updated") == [{"agent": "colleague"}]
            call.bye()
    listener.close()
