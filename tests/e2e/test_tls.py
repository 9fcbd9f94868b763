"""A call over TLS with encrypted media, PJSIP at the other end; and one over IPv6."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.certificates import make_certificate
from tests.e2e.conftest import GATEWAY
from tests.gatewayd import free_port, running, settings_for
from tests.wire import request

pytestmark = pytest.mark.e2e

AGENT = 'greeting: "Good day."\ntranscription: {model: local}\n'


async def test_a_call_over_tls_with_srtp_and_bye_on_the_same_connection(tmp_path):
    pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")
    certificate, key, _ = make_certificate(tmp_path, "gateway")
    sip = {"port": 0, "tls": {"certificate": certificate, "key": key, "port": 0}}
    settings = settings_for(tmp_path, {"bob": AGENT}, sip=sip, media={"srtp": "required"})
    async with running(settings) as (gateway, events):
        media = []
        gateway.sinks.append(lambda event, record: media.append(record.get("media")))
        target = f"sip:bob@127.0.0.1:{gateway.switchboard.user_agent.tls_port}"
        phone = await asyncio.create_subprocess_exec(
            GATEWAY,
            "phone",
            target,
            "--tls",
            "--srtp",
            "--say",
            "hello",
            "--seconds",
            "30",
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await asyncio.wait_for(phone.communicate(), 60)
        assert phone.returncode == 0
        assert b"confirmed: 200 OK" in printed
        async with asyncio.timeout(5):
            while not (ended := [data for kind, data in events if kind == "ended"]):
                await asyncio.sleep(0.05)
        assert ended[0]["outcome"] == "caller_hung_up"
        assert next(data["text"] for kind, data in events if kind == "transcript") == "Good day."
        assert "speech_started" in [kind for kind, _ in events]  # what came through was understood as speech
        assert media[-1]["srtp"] == "AES_CM_128_HMAC_SHA1_80"
        assert media[-1]["received_garbage"] == 0
        assert media[-1]["received_packets"] > 100


@pytest.mark.parametrize("also", [False, True], ids=["alone", "besides IPv4"])
async def test_over_ipv6(tmp_path, also):
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    beside = free_port()
    sip = {"port": 0, "also": [{"host": "::1", "port": beside}]} if also else {"host": "::1", "port": 0}
    async with running(settings_for(tmp_path, {"bob": AGENT}, sip=sip)) as (gateway, _):
        ours = beside if also else gateway.sip_port
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
            peer.bind(("::1", 0))
            peer.settimeout(5)
            port = peer.getsockname()[1]
            offer = f"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
            invite = request(body=offer.encode()).replace(b"192.0.2.10:5060", b"[::1]:%d" % port)
            peer.sendto(invite, ("::1", ours))
            answers = [await asyncio.to_thread(peer.recv, 65535) for _ in range(3)]
            media = await asyncio.to_thread(peer.recv, 65535)  # to the same socket, as the offer wants it
            while media.startswith(b"SIP/2.0"):
                media = await asyncio.to_thread(peer.recv, 65535)
    assert [answer.split()[1] for answer in answers] == [b"100", b"180", b"200"]
    assert b"Contact: <sip:reception@[::1]:%d>" % ours in answers[2]
    assert b"c=IN IP6 ::1" in answers[2]
    assert (media[0], media[1] & 0x7F, len(media)) == (0x80, 0, 172)
