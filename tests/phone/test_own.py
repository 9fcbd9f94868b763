"""The telephone on our own stack, against a gateway in this process; longer calls are in e2e/test_phone.py."""

import asyncio
import wave

import numpy as np
import pytest

from gateway.errors import ConfigError
from gateway.phone import PhoneCall, call
from tests.certificates import make_certificate
from tests.gatewayd import running, settings_for

AGENT = """
greeting: Good day.
transcription: {model: local}
transfer_targets: {other: "sip:other@127.0.0.1:PORT"}
"""


async def phoned(gateway, tmp_path, to="reception", port=0, **errand):
    """What the phone printed, and whether somebody answered."""
    told, record = [], tmp_path / "heard.wav"
    given = {"seconds": 20.0, "record": record, "stack": "own"} | errand
    errand = PhoneCall(f"sip:{to}@127.0.0.1:{port or gateway.sip_port}", **given)
    answered = await asyncio.to_thread(call, errand, told.append)
    return [line.partition("s  ")[2] for line in told], answered


@pytest.mark.parametrize("secure", [False, True], ids=["UDP", "TLS and SRTP"])
async def test_it_hears_speaks_and_hangs_up(tmp_path, secure):
    certificate, key, _ = make_certificate(tmp_path, "gateway")
    sip = {"port": 0, "tls": {"certificate": certificate, "key": key, "port": 0}}
    settings = settings_for(tmp_path, {"bob": AGENT}, sip=sip, media={"srtp": "required" if secure else "off"})
    async with running(settings) as (gateway, events):
        port = gateway.switchboard.user_agent.tls_port if secure else 0
        how = {"transport": "tls", "srtp": True} if secure else {}
        told, answered = await phoned(gateway, tmp_path, port=port, say=("goodbye",), dtmf="7", **how)
        await asyncio.sleep(0.3)
    assert answered
    assert told[1:3] == ["early: 180 Ringing", "confirmed: 200 OK"]
    assert "pressing 7" in told
    done = [line for line in told if "hears it" not in line][-2:]
    assert (done[0], done[1].partition(" ended: ")[2]) == ("hanging up", "200 OK")
    with wave.open(str(tmp_path / "heard.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(samples.astype(int)).max() > 3000
    kinds = [kind for kind, _ in events]
    assert "speech_started" in kinds
    assert [data["digit"] for kind, data in events if kind == "dtmf"] == ["7"]
    assert next(data["outcome"] for kind, data in events if kind == "ended") == "caller_hung_up"


@pytest.mark.parametrize("refuse", [False, True])
async def test_a_transfer_is_followed_or_refused(tmp_path, refuse):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with running(settings_for(tmp_path / "two", {"eve": "greeting: Other side.\n"})) as (other, heard):
        agent = AGENT.replace("PORT", str(other.sip_port))
        async with running(settings_for(tmp_path / "one", {"bob": agent})) as (gateway, events):
            ringing = asyncio.create_task(phoned(gateway, tmp_path, seconds=12.0, refuse_transfer=refuse))
            async with asyncio.timeout(10):
                while "answered" not in [kind for kind, _ in events]:
                    await asyncio.sleep(0.05)
            (found,) = gateway.switchboard.calls
            await asyncio.sleep(0.5)
            gateway.switchboard.command("transfer", found.info.call_id, {"to": "other"})
            told, _ = await ringing
    assert any(line.startswith(f"REFER to <sip:other@127.0.0.1:{other.sip_port}") for line in told)
    outcomes = [data["outcome"] for kind, data in events if kind == "ended"]
    if refuse:
        assert "transfer_dialing" in [kind for kind, _ in events] or "transfer_failed" in [kind for kind, _ in events]
    else:
        assert outcomes == ["transferred"]
        assert "answered" in [kind for kind, _ in heard]


async def test_a_call_that_is_refused_and_a_host_that_is_none(tmp_path):
    settings = settings_for(tmp_path, {"bob": AGENT}, routes=[{"called": "reception", "agent": "bob"}])
    async with running(settings) as (gateway, _):
        told, answered = await phoned(gateway, tmp_path, to="nobody")
        assert not answered
        assert told[-1].endswith("ended: 404 Not Found")
    with pytest.raises(ConfigError, match="there is no host"):
        call(PhoneCall("sip:a@no-such-host.invalid", stack="own"), print)
