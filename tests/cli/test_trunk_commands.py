"""`gateway trunks` and its like: in processes of their own, against files and against a gateway that runs."""

import asyncio
import json

import pytest

from gateway import api
from tests.cli.test_main import GOOD, folder, run  # noqa: F401
from tests.cli.test_operator_commands import gateway_
from tests.gatewayd import free_port, running, settings_for

ROW = """
trunks:
  - name: house
    profile: sipgate
    login: {username: 1234567t0, password_env: HOUSE_PASSWORD}
    server: sip:sipconnect.sipgate.de
    caller_id: "+4921112345"
    register_seconds: 0
"""


@pytest.fixture
def file(folder, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HOUSE_PASSWORD", "secret")
    path = folder / "gateway.yaml"
    path.write_text(GOOD + ROW)
    return str(path)


def test_what_would_be_sent_is_shown_and_nothing_is(file):
    shown = run("trunk", "try", "house", "+4989123456", "-c", file).stdout
    for line in (
        "INVITE sip:004989123456@sipconnect.sipgate.de SIP/2.0",
        "From: <sip:1234567t0@sipconnect.sipgate.de>;tag=",
        "P-Preferred-Identity: <sip:4921112345@sipconnect.sipgate.de>",
        "m=audio 9 RTP/AVP 8 0 9 101",
        "Refer-To: <sip:004989123456@sipconnect.sipgate.de;user=phone>",
        "A call of theirs to +4989123456: routes see +4989123456",
    ):
        assert line in shown
    back = run(
        "trunks", "try", "house", "110", "-c", file, "--called", "08955500", "--caller", "0044123", "--anonymous"
    )
    assert "A call of theirs to 08955500: routes see +498955500" in back.stdout
    assert "A call of theirs from 0044123: agents see +44123" in back.stdout
    assert "Privacy: id" in back.stdout
    told = json.loads(run("trunks", "try", "house", "+33123", "-c", file, "--json").stdout)
    assert (told["hop"], told["invite"].split()[1]) == (
        "sip:sipconnect.sipgate.de", "sip:0033123@sipconnect.sipgate.de",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("try", "hause", "1"), "trunks: no trunk is called 'hause'; these are: house"),
        (
            ("try", "house", "+1", "--caller-id", "0815"),
            "cannot be told our number: no rule takes 0815; there are: +[1-9]*",
        ),
        (("show", "x"), "no trunk is called 'x'"),
    ],
)
def test_what_cannot_be_is_one_line(file, arguments, says):
    done = run("trunks", *arguments, "-c", file)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_each_setting_with_where_it_comes_from(file):
    found = json.loads(run("trunks", "show", "house", "-c", file, "--json").stdout)
    assert found["register_seconds"] == {"value": 0, "from": "file"}
    assert found["identity"] == {"value": ["p_preferred_identity"], "from": "profile sipgate"}
    assert found["numbers.caller"] == {"value": ["+[1-9]* -> *"], "from": "profile sipgate"}
    assert found["ring_seconds"] == {"value": 60.0, "from": "default"}
    assert found["login"]["value"] == "1234567t0"
    assert "secret" not in json.dumps(found)
    assert "p_preferred_identity" in run("trunks", "show", "house", "-c", file).stdout


def test_the_profiles_are_listed():
    assert "Microsoft Teams Direct Routing" in run("trunks", "profiles").stdout


async def test_the_trunks_of_a_gateway_that_runs(tmp_path):
    silent = await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    port = silent[0].get_extra_info("sockname")[1]
    trunks = [
        {"name": "one", "server": f"sip:127.0.0.1:{port}", "options_ping_seconds": 0.3},
        {"name": "two", "peers": ["127.0.0.1"], "max_calls": 7},
        {"name": "three", "profile": "telnyx", "server": f"sip:127.0.0.1:{free_port()}"},
    ]
    settings = settings_for(tmp_path, {"eve": "greeting: Hello.\n"}, trunks=trunks)
    async with running(settings) as (gateway, _), api.serve(gateway) as http:
        url = ("--url", f"http://127.0.0.1:{http}")
        async with asyncio.timeout(10):
            while not gateway.switchboard.user_agent.core.trunks.silent:
                await asyncio.sleep(0.05)
        assert gateway.warnings[0] == "no server of the trunk one answers"
        await asyncio.sleep(1.1)  # nodes tell each other once a second
        shown = await gateway_("trunks", *url)
        (one, two, three) = json.loads(await gateway_("trunks", "--json", *url))["data"]
    assert (one["up"], one["problem"].partition(": ")[2]) == (
        False, f"udp:127.0.0.1:{port}: no answer to OPTIONS within 0.3 s",
    )  # fmt: skip
    assert (two["up"], two["registered"], two["max_calls"], three["profile"]) == (None, None, 7, "telnyx")
    assert "0 of 1" in shown
    assert "0 of 7" in shown
    silent[0].close()
