import pytest

from gateway import api, remote
from gateway.errors import ConfigError
from tests.gatewayd import free_port, running, settings_for


async def ask(url, order):
    import asyncio

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
        ({"to": "sip:a@b"}, "agent: Field required"),
        ({"to": "sip:a@b", "agent": "eve"}, "there is no agent 'eve'; these are: bob"),
        ({"to": "sip:a b", "agent": "bob"}, "not a URI"),
        ({"to": "sip:a@b", "agent": "bob", "headers": {"Via": "x"}}, "the header Via is the gateway's own"),
    ],
)
async def test_what_the_gateway_does_not_take_is_said_as_it_says_it(tmp_path, order, says):
    async with running(settings_for(tmp_path, {"bob": "greeting: Hello."})) as (gateway, _), api.serve(gateway) as port:
        with pytest.raises(ConfigError, match=says):
            await ask(f"http://127.0.0.1:{port}", order)


async def test_no_gateway():
    with pytest.raises(ConfigError, match="no gateway answers there"):
        await ask("http://127.0.0.1:9", {})
