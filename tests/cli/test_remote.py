import asyncio
import signal
import sys
from pathlib import Path

import pytest

from gateway import api
from gateway.cli import remote
from gateway.errors import ApiError
from tests.answerer import SDP, Answerer
from tests.gatewayd import free_port, running, settings_for


async def ask(url, order):
    lines = []
    return await asyncio.to_thread(remote.dial, remote.Remote(url), order, lines.append), lines


async def test_a_call_that_nobody_takes_is_followed_to_its_end(tmp_path):
    async with running(settings_for(tmp_path, {"bob": "greeting: Hello."})) as (gateway, _), api.serve(gateway) as port:
        order = {"to": f"sip:a@127.0.0.1:{free_port()};transport=tcp", "agent": "bob"}
        answered, lines = await ask(f"http://127.0.0.1:{port}", order)
    assert not answered
    assert lines[0].startswith("call_")
    assert "outcome=unreachable status=408" in lines[-1]


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"to": "sip:a@b"}, "agent: is missing"),
        ({"to": "sip:a@b", "agent": "eve"}, "there is no agent 'eve'; these are: bob"),
        ({"to": "sip:a b", "agent": "bob"}, "not a URI"),
        ({"to": "sip:a@b", "agent": "bob", "headers": {"Via": "x"}}, "the header Via is the gateway's own"),
    ],
)
async def test_what_the_gateway_does_not_take_is_said_as_it_says_it(tmp_path, order, says):
    async with running(settings_for(tmp_path, {"bob": "greeting: Hello."})) as (gateway, _), api.serve(gateway) as port:
        with pytest.raises(ApiError, match=says):
            await ask(f"http://127.0.0.1:{port}", order)


async def test_no_gateway():
    with pytest.raises(ApiError, match="no gateway answers there"):
        await ask("http://127.0.0.1:9", {})


async def test_whoever_asked_for_a_call_and_is_ended_ends_it_too(tmp_path):
    with Answerer() as phone:
        async with (
            running(settings_for(tmp_path, {"bob": "greeting: Hello."})) as (gateway, events),
            api.serve(gateway) as port,
        ):
            gateway_, url = Path(sys.executable).with_name("gateway"), f"http://127.0.0.1:{port}"
            command = (gateway_, "dial", f"sip:a@127.0.0.1:{phone.port}", "--agent", "bob", "--url", url)
            dial = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            await phone.invited()
            phone.respond(200, SDP)
            async with asyncio.timeout(10):
                while "answered" not in [kind for kind, _ in events]:
                    await asyncio.sleep(0.05)
            dial.send_signal(signal.SIGTERM)
            printed = (await dial.communicate())[0].decode()
            async with asyncio.timeout(10):
                while ("ended", {"outcome": "hung_up_by_request"}) not in events:
                    await asyncio.sleep(0.05)
    assert "hung up" in printed
    assert dial.returncode != 0


async def test_a_call_by_the_beginning_of_its_id():
    class Two(remote.Remote):
        def get(self, path, **query):
            assert query["q"] == "call_1f2e"
            return {"data": [{"call_id": "call_1f2e000000000000"}, {"call_id": "call_1f2e111111111111"}]}

    gateway = Two("http://h")
    assert gateway.id_of("call_1f2e000000000000") == "call_1f2e000000000000"
    assert gateway.id_of("nobody") == "nobody"
    with pytest.raises(ApiError, match="is the beginning of several calls: call_1f2e0"):
        gateway.id_of("1f2e")
