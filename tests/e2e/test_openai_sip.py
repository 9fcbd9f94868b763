"""OpenAI's SDK against the gateway's SIP connector: accept, watch, steer, refer and hang up a call of SIPp's."""

import asyncio
import shutil

import openai
import pytest

from gateway import api
from tests.api.nodes import two_nodes
from tests.caller import Caller
from tests.e2e.application import SECRET, application
from tests.e2e.test_sipp import FOLDER
from tests.gatewayd import free_port, needs_ears, running, settings_for

pytestmark = pytest.mark.e2e
needs_sipp = pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)")

AGENT = """
application: {{url: "{url}", secret_env: APPLICATION_SECRET, seconds: 5}}
transcription: {{model: local}}
local:
  rules: [{{hears: billing, calls: lookup}}]
"""
TOOL = {"type": "function", "name": "lookup", "description": "x", "parameters": {"type": "object", "properties": {}}}
SAY = "Say exactly: Welcome to the bank."


async def sipp(port, scenario):
    """Its exit code."""
    command = [
        "sipp", f"127.0.0.1:{port}", "-sf", f"{scenario}.xml", "-s", "reception", "-i", "127.0.0.1",
        "-mi", "127.0.0.1", "-mp", str(free_port()), "-p", str(free_port()), "-m", "1", "-nostdin", "-timeout", "40",
        "-timeout_error", "-recv_timeout", "20000",
    ]  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        *command, cwd=FOLDER, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await child.wait()


@needs_sipp
@pytest.mark.parametrize(("scenario", "end"), [("transfer_accepted", "refer"), ("agent_hangs_up", "hangup")])
async def test_a_call_of_sipps_from_its_webhook_to_its_end(tmp_path, monkeypatch, scenario, end):
    monkeypatch.setenv("APPLICATION_SECRET", SECRET)
    seen, headers = [], {}

    async def take(client, event):
        assert event.type == "realtime.call.incoming"
        call_id = event.data.call_id
        headers.update({header.name: header.value for header in event.data.sip_headers})
        await client.realtime.calls.accept(
            call_id, type="realtime", model="gpt-realtime", instructions="You work for a bank.", tools=[TOOL],
            audio={"output": {"voice": "marin"}},
        )  # fmt: skip
        async with client.realtime.connect(call_id=call_id) as watched:
            async for server in watched:
                seen.append(server.type)
                if server.type == "session.created":
                    assert server.session.instructions == "You work for a bank."
                    await watched.response.create(response={"instructions": SAY})
                elif server.type == "response.output_audio_transcript.done" and "bank" in server.transcript:
                    await asyncio.sleep(4.5)
                    if end == "refer":
                        await client.realtime.calls.refer(call_id, target_uri="sip:billing@127.0.0.1:9")
                    else:
                        await client.realtime.calls.hangup(call_id)

    async with application(take) as (url, client, tasks):
        settings = settings_for(tmp_path, {"eve": AGENT.format(url=url)})
        async with running(settings) as (gateway, events), api.serve(gateway) as port:
            client.base_url = f"http://127.0.0.1:{port}/v1"
            assert await sipp(gateway.sip_port, scenario) == 0
            await asyncio.wait_for(asyncio.gather(*tasks), 10)  # the watcher is told that the call has ended
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "incoming"
    assert ("transcript", "Welcome to the bank.") in [(kind, data.get("text")) for kind, data in events]
    assert events[-1][1]["outcome"] == ("transferred" if end == "refer" else "hung_up_by_request")
    assert "sipp" in headers["from"]
    assert seen[0] == "session.created"
    assert {"response.created", "response.output_audio_transcript.done", "response.done"} <= set(seen)
    assert not any("audio.delta" in kind for kind in seen)


async def test_a_function_of_the_applications_is_answered_by_it(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLICATION_SECRET", SECRET)
    said, calls = [], []

    async def take(client, event):
        await client.realtime.calls.accept(event.data.call_id, type="realtime", model="gpt-realtime", tools=[TOOL])
        async with client.realtime.connect(call_id=event.data.call_id) as watched:
            async for server in watched:
                if server.type == "session.created":
                    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "billing"}]}
                    await watched.conversation.item.create(item=item)
                    await watched.response.create()
                elif server.type == "response.done":
                    for one in server.response.output or []:
                        if one.type == "function_call":
                            calls.append(one.name)
                            output = {"type": "function_call_output", "call_id": one.call_id, "output": "Forty two."}
                            await watched.conversation.item.create(item=output)
                            await watched.response.create()
                elif server.type == "response.output_audio_transcript.done":
                    said.append(server.transcript)
                elif server.type == "error":
                    said.append(server.error.message)
                if said and calls:
                    await watched.send({"type": "input_audio_buffer.append", "audio": "AAAA"})
                if len(said) > 1:
                    return

    async with application(take) as (url, client, tasks):
        settings = settings_for(tmp_path, {"eve": AGENT.format(url=url)})
        async with (
            running(settings) as (gateway, events),
            api.serve(gateway) as port,
            Caller(gateway.sip_port) as call,
        ):
            client.base_url = f"http://127.0.0.1:{port}/v1"
            assert await call.invite() == 200
            async with asyncio.timeout(15):
                while not all(task.done() for task in tasks):
                    await call.silence(0.1)
            call.bye()
            await asyncio.gather(*tasks)
    assert calls == ["lookup"]
    assert said[0] == "Forty two."
    assert "the audio of the session is the caller's" in said[1]
    assert "tool_output" not in [kind for kind, _ in events]  # it was not for us to answer


async def test_rejected_forgotten_and_not_for_us(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLICATION_SECRET", SECRET)
    what, errors = ["reject"], []

    async def take(client, event):
        if what[0] == "reject":
            await client.realtime.calls.reject(event.data.call_id, status_code=486)
        elif what[0] == "wrong":
            try:
                await client.realtime.calls.accept(event.data.call_id, type="realtime", tools=[{"type": "web_search"}])
            except openai.UnprocessableEntityError as error:
                errors.append(str(error))
            await client.realtime.calls.accept(event.data.call_id, type="realtime")
            try:
                await client.realtime.calls.accept(event.data.call_id, type="realtime")
            except openai.ConflictError as error:
                errors.append(str(error))

    async with application(take) as (url, client, tasks):
        agent = AGENT.format(url=url).replace("seconds: 5", "seconds: 1")
        async with running(settings_for(tmp_path, {"eve": agent})) as (gateway, events), api.serve(gateway) as port:
            client.base_url = f"http://127.0.0.1:{port}/v1"
            for kind, status in (("reject", 486), ("forget", 480), ("wrong", 200)):
                what[0] = kind
                async with Caller(gateway.sip_port) as call:
                    assert await call.invite() == status
                    if status == 200:
                        call.bye()
                        await call.silence(0.1)
            with pytest.raises(openai.NotFoundError):
                await client.realtime.calls.hangup("nobody")
            await asyncio.gather(*tasks)
    outcomes = [data["outcome"] for kind, data in events if kind == "ended"]
    assert outcomes == ["rejected", "application_silent", "caller_hung_up"]
    assert "tools.0: has to be a function with a name" in errors[0]
    assert "it does not wait to be accepted or rejected" in errors[1]


@needs_ears
async def test_the_session_is_watched_and_the_call_accepted_from_another_node(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLICATION_SECRET", SECRET)
    monkeypatch.setenv("ADMIN", "the-key")
    http, seen = {"port": 0, "auth": "always", "admin_key_env": "ADMIN"}, []

    async def take(client, event):
        client.api_key = "the-key"
        await client.realtime.calls.accept(event.data.call_id, type="realtime", instructions="Be brief.")
        async with client.realtime.connect(call_id=event.data.call_id) as watched:
            await watched.response.create(response={"instructions": SAY})
            async for server in watched:
                seen.append(server.type)
                if server.type == "response.done":
                    await client.realtime.calls.hangup(event.data.call_id)

    async with (
        application(take) as (url, client, tasks),
        two_nodes(tmp_path, {"eve": AGENT.format(url=url)}, http=http) as (one, two, _),
        Caller(one.gateway.sip_port) as call,
    ):
        client.base_url = f"{two.gateway.http_url}/v1"
        assert await call.invite() == 200
        async with asyncio.timeout(15):
            while "ended" not in [kind for kind, _ in one.events]:
                await call.silence(0.1)
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        assert ("ended", {"outcome": "hung_up_by_request"}) in one.events
    assert seen[0] == "session.created"
    assert "response.done" in seen
