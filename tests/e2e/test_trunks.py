"""Every carrier and PBX by its own messages: SIPp plays it, and the gateway runs with the file that comes along for it.

In the file only where its packets come from and go to is changed: `peers` and `proxy` are this machine. Where it speaks
TLS a relay stands before SIPp, which has none.
"""

from __future__ import annotations

import asyncio
import re
import runpy
import shutil
import ssl
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import pytest
import yaml

from gateway import config
from gateway.bridge import OutboundCall
from gateway.config.trunk_profiles import names, profile
from gateway.sip import OutgoingInvite
from tests.certificates import make_certificate
from tests.e2e.test_sipp import FOLDER
from tests.gatewayd import free_port, running
from tests.test_architecture import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]

AGENT = "greeting: Good day.\n"
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
US, THEM = "+15550100", "+15557654321"


@dataclass(frozen=True)
class Known:
    """What a call of theirs is to us: the number that they call, and how we read that and the caller's."""

    service: str = US
    called: str = US
    caller: str = THEM
    calls: str = THEM
    login: str = ""  # with which we log in, where the file has it as one way of two
    secure: bool = True  # it can have TLS and SRTP
    always: bool = False  # and has nothing else


TRUNKS = {
    "twilio": Known(login="gateway"),
    "twilio-programmable": Known(),
    "telnyx": Known("15550100"),
    "plivo": Known(),
    "vonage": Known("15550100"),
    "sipgate": Known("1234567t0", "+4921112345", "+4915112345678", "+4915112345678", secure=False),
    "bandwidth": Known(),
    "chime": Known(),
    "teams": Known("+4989123456", "+4989123456", "+4915112345678", "+4915112345678", always=True),
    "genesys": Known(),
    "whatsapp": Known(always=True),
    "asterisk": Known(caller="301"),
    "freepbx": Known("4989123456", "4989123456", "301"),
    "freeswitch": Known(caller="1001"),
    "3cx": Known(caller="301"),
    "3cx-extension": Known("301", "301", "302", secure=False),
    "cucm": Known("3400", "3400", "3427"),
    "cube": Known(),
    "avaya": Known(caller="301"),
}


def certificate_in(folder):
    """One for all of a test: paths of the certificate and its key."""
    (folder / "certificates").mkdir(exist_ok=True)
    if not (folder / "certificates" / "cert.pem").exists():
        make_certificate(folder / "certificates", "gateway", with_rsa=True)  # some speak nothing else
    return str(folder / "certificates" / "cert.pem"), str(folder / "certificates" / "key.pem")


def settings_of(name, folder, monkeypatch, *, port=9, tls_port=9, secure=False, **more):
    """deploy/trunks/NAME.yaml with its packets on this machine; `secure`: as its page says for TLS and SRTP."""
    values = yaml.safe_load((ROOT / "deploy" / "trunks" / f"{name}.yaml").read_text())
    for variable in re.findall(r"password_env: (\w+)", str(values).replace("'", "")):
        monkeypatch.setenv(variable, "secret")
    monkeypatch.setenv("TRUNK_PASSWORD", "secret")
    certificate, key = certificate_in(folder)
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "reception.yaml").write_text(AGENT)
    (row,) = values["trunks"]
    row |= {"peers": ["127.0.0.1"], "register_seconds": 0, "options_ping_seconds": 0} | more
    row["proxy"] = f"sip:127.0.0.1:{port}" + (";transport=tcp" if "transport=tcp" in row["server"] else "")
    if secure or "tls" in values["sip"]:
        values["sip"]["tls"] = {"certificate": certificate, "key": key, "port": 0}
    if secure:
        row["proxy"] = f"sip:127.0.0.1:{tls_port};transport=tls"
        row |= {"srtp": "required", "tls": {"ca": certificate}}
    if TRUNKS[name].login:
        row["login"] = {"username": TRUNKS[name].login, "password_env": "TRUNK_PASSWORD"}
    values["sip"] |= {"host": "127.0.0.1", "port": 0}
    values |= {"agents": str(folder / "agents"), "http": {"port": 0}, "drain_seconds": 0}
    return config.from_values(values)


@asynccontextmanager
async def sipp(scenario, *options, transport="u1", secure=False, port=0, keys=()):
    """SIPp with one call; on leaving every message has come as the scenario wants it."""
    keys = {"proto": "RTP/SAVP" if secure else "RTP/AVP", "crypto": CRYPTO if secure else "a=x-plain:1", **dict(keys)}
    given = [word for pair in keys.items() for word in ("-key", *pair)]
    process = await asyncio.create_subprocess_exec(
        "sipp", *options, "-sf", f"{scenario}.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1",
        "-p", str(port or free_port()), "-m", "1", "-t", transport, "-nostdin", "-timeout", "30", "-timeout_error",
        "-recv_timeout", "20000", *given,
        cwd=FOLDER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
        printed, _ = await asyncio.wait_for(process.communicate(), 40)
        assert process.returncode == 0, printed.decode()[-4000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def relay(certificate="", key="", to_tls=False, to_port=None):
    """TLS on one side and TCP on the other: who speaks TLS reaches SIPp by it, and SIPp who speaks TLS."""

    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader, writer):
        context = ssl.create_default_context(cafile=certificate) if to_tls else None
        if context:
            context.set_ciphers("ALL")
        far = await asyncio.open_connection("127.0.0.1", to_port(), ssl=context)
        await asyncio.gather(pump(reader, far[1]), pump(far[0], writer))

    inside = None
    if not to_tls:
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        inside.load_cert_chain(certificate, key)
        inside.set_ciphers("ALL")  # also those of old equipment
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=inside)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(events, kind, seconds=15):
    async with asyncio.timeout(seconds):
        while kind not in [one for one, _ in events]:
            await asyncio.sleep(0.02)
    return next(data for one, data in events if one == kind)


def ways():
    """Each plain, and each that can also encrypted."""
    for name, known in TRUNKS.items():
        if not known.always:
            yield pytest.param(name, False, id=name)
        if known.secure:
            marks = () if known.always or name == "twilio" else pytest.mark.long
            yield pytest.param(name, True, id=f"{name}, TLS and SRTP", marks=marks)


WAYS = list(ways())


def test_every_profile_is_here_and_its_scenarios_are_as_they_are_made():
    assert set(TRUNKS) == set(names())
    for file, text in runpy.run_path(str(FOLDER / "trunks" / "make.py"))["made"]().items():
        assert (FOLDER / "trunks" / file).read_text() == text, f"{file}: run sipp-scenarios/trunks/make.py"


@pytest.mark.parametrize(("name", "secure"), WAYS)
async def test_a_call_of_theirs_is_read_answered_and_ended(tmp_path, monkeypatch, name, secure):
    known, record = TRUNKS[name], {}
    settings, (certificate, _) = settings_of(name, tmp_path, monkeypatch, secure=secure), certificate_in(tmp_path)
    tcp = secure or settings.sip.trunks[0].server.transport == "tcp"
    async with (
        running(settings) as (gateway, events),
        relay(certificate, to_tls=True, to_port=lambda: gateway.switchboard.user_agent.tls_port) as door,
    ):
        gateway.sinks.append(lambda event, told: record.update(told))
        to = f"127.0.0.1:{door if secure else gateway.sip_port}"
        async with sipp(f"trunks/{name}_in", to, "-s", known.service, transport="t1" if tcp else "u1", secure=secure):
            await until(events, "answered")
            (call,) = gateway.switchboard.calls
            assert (call.info.called.user, call.info.caller.user) == (known.called, known.caller)
            await asyncio.sleep(0.2)
            gateway.switchboard.command("hangup", call.info.call_id, {})
    assert record["trunk"] == settings.sip.trunks[0].name
    assert bool(record["media"].get("srtp")) is secure


@pytest.mark.parametrize(("name", "secure"), WAYS)
async def test_a_call_to_them_is_as_they_want_it(tmp_path, monkeypatch, name, secure):
    port, known, record = free_port(), TRUNKS[name], {}
    async with relay(*certificate_in(tmp_path), to_port=lambda: port) as door:
        settings = settings_of(name, tmp_path, monkeypatch, port=port, tls_port=door, secure=secure)
        tcp = settings.sip.trunks[0].proxy.transport == "tcp"
        async with sipp(f"trunks/{name}_out", transport="t1" if secure or tcp else "u1", secure=secure, port=port):
            await asyncio.sleep(0.3)
            async with running(settings) as (gateway, events):
                gateway.sinks.append(lambda event, told: record.update(told))
                (trunk,) = gateway.switchboard.trunks_for(known.calls)
                call_id = gateway.switchboard.dial(OutboundCall("reception", OutgoingInvite(known.calls, trunk)))
                await until(events, "answered")
                await asyncio.sleep(0.2)
                gateway.switchboard.command("hangup", call_id, {})
                await asyncio.sleep(0.2)
    assert record["outcome"] == "hung_up_by_request"
    assert bool(record["media"].get("srtp")) is secure


TRANSFERS = [name for name in TRUNKS if not TRUNKS[name].always]


@pytest.mark.parametrize("name", TRANSFERS)
async def test_a_caller_is_transferred_as_they_want_it(tmp_path, monkeypatch, name):
    """By REFER in their form, or by a call of ours to the target by the same trunk, whose scenario plays it."""
    known, port = TRUNKS[name], free_port()
    bridged = profile(name).settings["transfer"] == "bridge"
    target = known.calls if bridged else "+15551112222"
    settings = settings_of(name, tmp_path, monkeypatch, port=port)
    kind = "t1" if settings.sip.trunks[0].proxy.transport == "tcp" else "u1"
    async with running(settings) as (gateway, events):
        caller = sipp(f"trunks/{name}_in", f"127.0.0.1:{gateway.sip_port}", "-s", known.service, transport=kind)
        callee = sipp(f"trunks/{name}_out", transport=kind, port=port) if bridged else nullcontext()
        async with callee, caller:
            await until(events, "answered")
            (call,) = gateway.switchboard.calls
            await asyncio.sleep(0.2)
            gateway.switchboard.command("transfer", call.info.call_id, {"to": f"tel:{target}", "summary": "all"})
            if bridged:
                await until(events, "bridged")
                await asyncio.sleep(0.2)
                gateway.switchboard.command("hangup", call.info.call_id, {})
                await asyncio.sleep(0.2)
            else:
                ended = await until(events, "ended")
    if bridged:
        assert "transfer_dialing" in [kind for kind, _ in events]
    else:
        assert ended["outcome"] == "transferred"


def refusals():
    """One of each, with what is known of it; those that ask for more of us are no end of a call."""
    for name in TRUNKS:
        known = [one for one in profile(name).hints if one.method == "INVITE" and one.status not in (401, 407, 422)]
        if known:
            marks = () if name in ("twilio", "teams", "asterisk") else pytest.mark.long
            yield pytest.param(name, known[0], id=name, marks=marks)


@pytest.mark.parametrize(("name", "hint"), list(refusals()))
async def test_a_refusal_is_told_with_what_it_means_there(tmp_path, monkeypatch, name, hint):
    port = free_port()
    settings = settings_of(name, tmp_path, monkeypatch, port=port, srtp="off", redirects=0)
    kind = "t1" if settings.sip.trunks[0].proxy.transport == "tcp" else "u1"
    text = (FOLDER / "refuses.xml").read_text().replace("403 Forbidden", f"{hint.status} Because")
    (tmp_path / "refuses.xml").write_text(text)
    async with sipp(tmp_path / "refuses", transport=kind, port=port):
        await asyncio.sleep(0.3)
        async with running(settings) as (gateway, events):
            (trunk,) = gateway.switchboard.trunks_for(THEM)
            gateway.switchboard.dial(OutboundCall("reception", OutgoingInvite(THEM, trunk)))
            ended = await until(events, "ended")
    assert ended["problem"] == f"{hint.status} Because: {hint.says}"


@pytest.mark.parametrize(
    ("name", "user", "contact"),
    [("telnyx", "acme", "acme"), ("sipgate", "1234567t0", "1234567t0"), ("asterisk", "gateway", "gateway"),
     ("freepbx", "gateway", "4989123456"), ("3cx-extension", "x7Kq2mPa", "301")],
)  # fmt: skip
async def test_who_wants_it_is_registered_with(tmp_path, monkeypatch, name, user, contact):
    port = free_port()
    settings = settings_of(name, tmp_path, monkeypatch, port=port, register_seconds=300)
    async with sipp("registrar", port=port, keys={"user": user, "seconds": "200"}):
        await asyncio.sleep(0.3)
        async with running(settings) as (gateway, _):
            (registration,) = gateway.switchboard.user_agent.registrations.values()
            async with asyncio.timeout(10):
                while registration.problem:
                    await asyncio.sleep(0.05)
            granted = registration.granted
            monkeypatch.setattr(registration, "stop", lambda now: None)  # SIPp has ended by then
    assert (granted.seconds, granted.identities) == (200, (f"<sip:{user}@registrar>",))
    assert granted.binding.startswith(f"sip:{contact}@127.0.0.1:")
