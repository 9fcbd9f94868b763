"""Calls that the gateway makes: to SIPp, to another gateway, by `gateway dial` as a person would."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from contextlib import asynccontextmanager

import pytest

from gateway.bridge import OutboundCall
from gateway.sip import OutgoingInvite
from tests.e2e.conftest import GATEWAY
from tests.e2e.test_sipp import FOLDER
from tests.gatewayd import free_port, running, settings_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]

AGENT = """
greeting: "Good day, this is Acme with news for {{var.name}}."
transcription: {model: local}
tools: [hang_up]
local:
  rules:
    - hears: what are your opening hours
      says: We are open from eight to six.
    - hears: goodbye
      says: Goodbye.
      calls: hang_up
"""


@asynccontextmanager
async def called(scenario: str, transport: str = "u1"):
    """SIPp plays whoever is called; on leaving, every message has come as the scenario wants it."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "sipp", "-sf", f"{scenario}.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port), "-m", "1",
        "-t", transport, "-nostdin", "-timeout", "60", "-timeout_error", "-recv_timeout", "30000",
        cwd=FOLDER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        await asyncio.sleep(0.5)
        yield port
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, printed.decode()[-3000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def dial(gateway, events, target: str, **options) -> dict:
    """Place the call and wait for its end; what the last event says."""
    trunk = gateway.switchboard.trunk("")
    gateway.switchboard.dial(OutboundCall("bob", OutgoingInvite(target, trunk, **options), {"name": "Ann"}))
    async with asyncio.timeout(60):
        while not (ended := [data for kind, data in events if kind == "ended"]):
            await asyncio.sleep(0.05)
    assert len(gateway.switchboard) == 0
    return ended[0]


def trunk_to(port: int, **options) -> dict:
    return {"trunks": [{"name": "out", "server": f"sip:127.0.0.1:{port}"} | options]}


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_somebody_answers_asks_and_says_goodbye(tmp_path, transport):
    async with called("answers", transport) as port:
        server = f"sip:127.0.0.1:{port}" + (";transport=tcp" if transport == "t1" else "")
        settings = settings_for(tmp_path, {"bob": AGENT}, **trunk_to(port, server=server, caller_id="+15550100"))
        async with running(settings) as (gateway, events):
            ended = await dial(gateway, events, "+15551234567")
    assert ended["outcome"] == "agent_hung_up"
    kinds = [kind for kind, _ in events]
    assert kinds[:4] == ["dialing", "dialed", "ringing", "answered"]
    said = [(data["role"], data["text"]) for kind, data in events if kind == "transcript"]
    assert said == [
        ("assistant", "Good day, this is Acme with news for Ann."), ("user", "what are your opening hours"),
        ("assistant", "We are open from eight to six."), ("user", "goodbye"), ("assistant", "Goodbye."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scenario", "trunk", "outcome", "status"),
    [
        ("busy", {}, "busy", 486),
        ("no_answer", {"ring_seconds": 1}, "no_answer", 408),
        ("redirect", {"redirects": 1}, "no_answer", 480),
    ],
)
async def test_nobody_answers(tmp_path, scenario, trunk, outcome, status):
    async with called(scenario) as port:
        settings = settings_for(tmp_path, {"bob": AGENT}, **trunk_to(port, **trunk))
        async with running(settings) as (gateway, events):
            ended = await dial(gateway, events, "123")
            await asyncio.sleep(0.3)
    assert (ended["outcome"], ended["status"]) == (outcome, status)


async def test_a_call_that_rings_is_ended_by_request(tmp_path):
    async with called("no_answer") as port:
        settings = settings_for(tmp_path, {"bob": AGENT}, **trunk_to(port))
        async with running(settings) as (gateway, events):
            call_id = gateway.switchboard.dial(
                OutboundCall("bob", OutgoingInvite("123", gateway.switchboard.trunk("")))
            )
            async with asyncio.timeout(20):
                while "ringing" not in [kind for kind, _ in events]:
                    await asyncio.sleep(0.05)
            gateway.switchboard.command("hangup", call_id, {})
            await asyncio.sleep(0.3)
            assert len(gateway.switchboard) == 0
    assert [data["outcome"] for kind, data in events if kind == "ended"] == ["hung_up_by_request"]


async def test_a_server_that_asks_for_a_password(tmp_path, monkeypatch):
    monkeypatch.setenv("OUT_PASSWORD", "secret")
    async with called("challenge") as port:
        login = {"username": "me", "password_env": "OUT_PASSWORD"}
        settings = settings_for(tmp_path, {"bob": AGENT}, **trunk_to(port, login=login))
        async with running(settings) as (gateway, events):
            ended = await dial(gateway, events, "123")
    assert (ended["outcome"], ended["reason"]) == ("caller_hung_up", 'Q.850;cause=16;text="Normal call clearing"')


async def test_the_next_server_is_called_when_the_first_is_dead(tmp_path):
    """By SRV of a name server of the test's own; the first server is a port that nobody listens to."""
    from tests.sip.test_lookup import ZONE, name_server

    async with called("busy") as port, name_server() as (_, place):
        ZONE.update(
            {
                ("_sip._udp.twin.example.", "SRV"): [
                    f"1 1 {free_port()} dead.twin.example.", f"2 1 {port} live.twin.example.",
                ],
                ("dead.twin.example.", "A"): ["127.0.0.1"],
                ("live.twin.example.", "A"): ["127.0.0.1"],
            }
        )  # fmt: skip
        settings = settings_for(
            tmp_path, {"bob": AGENT}, sip={"port": 0, "nameservers": [place]},
            trunks=[{"name": "out", "server": "sip:twin.example"}],
        )  # fmt: skip
        async with running(settings) as (gateway, events):
            ended = await dial(gateway, events, "123")
    assert ended["outcome"] == "busy"


async def test_one_gateway_calls_another_as_a_user(tmp_path, monkeypatch):
    """Digest between the two, and then the other way round: to the telephone that has registered."""
    monkeypatch.setenv("PASSWORD", "secret")
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    phones = {"name": "phones", "users": [{"username": "ann", "password_env": "PASSWORD"}]}
    async with running(settings_for(tmp_path / "two", {"eve": "greeting: Hello."}, trunks=[phones])) as (two, heard):
        login = {"username": "ann", "password_env": "PASSWORD"}
        trunk = trunk_to(two.sip_port, login=login, register_seconds=60)
        async with running(settings_for(tmp_path / "one", {"bob": AGENT}, **trunk)) as (one, events):
            async with asyncio.timeout(10):
                while one.switchboard.user_agent.registrations["out"].problem:
                    await asyncio.sleep(0.05)
            one.switchboard.dial(OutboundCall("bob", OutgoingInvite("reception", one.switchboard.trunk("out"))))
            two.switchboard.dial(OutboundCall("eve", OutgoingInvite("ann", two.switchboard.trunk("phones"))))
            async with asyncio.timeout(15):
                while [kind for kind, _ in events + heard].count("answered") < 4:
                    await asyncio.sleep(0.05)
            assert {call.info.trunk for call in two.switchboard.calls} == {"phones"}
            assert {call.info.direction for call in two.switchboard.calls} == {"inbound", "outbound"}


def test_gateway_dial(demo):
    """`gateway dial` against `gateway demo`, as the README shows it."""
    port = free_port()
    with subprocess.Popen(
        ["sipp", "-sf", "answers.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port), "-m", "1", "-nostdin",
         "-timeout", "60", "-timeout_error"],
        cwd=FOLDER, stdout=subprocess.DEVNULL,
    ) as peer:  # fmt: skip
        done = subprocess.run(
            [GATEWAY, "dial", f"sip:ann@127.0.0.1:{port}", "--agent", "receptionist", "--url",
             f"http://127.0.0.1:{demo.http_port}", "--header", "X-Order: 7"],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert peer.wait(30) == 0
    assert done.returncode == 0, done.stdout + done.stderr
    assert "transcript user: what are your opening hours" in done.stdout
    assert "outcome=agent_hung_up" in done.stdout
    status, trace = demo.get(f"/v1/calls/{done.stdout.split()[0]}/sip")
    lines = [(one["what"], one["message"].split("\r\n")[0]) for one in trace["data"]]
    assert status == 200
    assert lines[0] == ("sent", f"INVITE sip:ann@127.0.0.1:{port} SIP/2.0")
    assert lines[-1] == ("received", "SIP/2.0 200 OK")
    assert "X-Order: 7" in trace["data"][0]["message"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["sip:ann@127.0.0.1:9", "--agent", "nobody"], "there is no agent 'nobody'"),
        (["12345", "--agent", "receptionist"], "has no server to call '12345' at"),
        (["sip:a@b", "--agent", "receptionist", "--trunk", "x"], "there is no trunk 'x'"),
        (["sip:a@b", "--agent", "receptionist", "--header", "nonsense"], "is not NAME:VALUE"),
        (["sip:a@b", "--agent", "receptionist", "--url", "http://127.0.0.1:9"], "no gateway answers there"),
    ],
)
def test_what_cannot_be_dialled_is_said_in_one_line(demo, options, says):
    url = [] if "--url" in options else ["--url", f"http://127.0.0.1:{demo.http_port}"]
    done = subprocess.run([GATEWAY, "dial", *options, *url], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == (2 if "is not NAME" in says else 1)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
