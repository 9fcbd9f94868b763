"""Bytes of real devices (tests/captures/README.md), as they come from the wire."""

from pathlib import Path

import pytest

from gateway.codecs import CODECS
from gateway.errors import NoCommonCodec
from gateway.sip import AudioFormat, Incoming, LocalMedia, accept_answer, make_answer, parse_sdp
from gateway.sip.invite.uas import UasSession
from gateway.sip.message.message import parse
from tests.wire import TCP, UDP, Wire

FOLDER = Path(__file__).parent.parent / "captures"


def local(*codecs: str) -> LocalMedia:
    formats = tuple(AudioFormat(name, CODECS[name].clock_hz, CODECS[name].payload_type) for name in codecs)
    return LocalMedia("192.0.2.1", 20000, formats, 1)


def invited(name: str, flow) -> UasSession:
    wire = Wire(flow=flow)
    (trying,) = wire.receive((FOLDER / name).read_bytes())
    assert trying.status == 100
    (incoming,) = [event for event in wire.events if isinstance(event, Incoming)]
    return incoming.session


def test_a_cisco_with_a_camera_talks_and_its_video_is_refused():
    session = invited("cisco-8865-invite.sip", TCP)
    assert session.request.contact.uri.user == "4570"
    answer, agreed = make_answer(parse_sdp(session.offer), local("G722", "PCMU", "PCMA"))
    assert (agreed.format.name, agreed.remote, agreed.dtmf_payload_type) == ("G722", ("192.0.2.10", 28990), 101)
    assert [media.port for media in parse_sdp(answer).media] == [20000, 0]


def test_freeswitch_with_opus_first_and_a_name_full_of_signs():
    session = invited("freeswitch-1.4-invite.sip", UDP)
    assert session.request.from_.display == "12754##5550100##{t=45,i=12754,s=string}"
    _, agreed = make_answer(parse_sdp(session.offer), local("PCMU", "PCMA"))
    assert agreed.format.name == "PCMU"  # by its static number: there is no rtpmap for it
    wire_timer = session.request.headers.get("Session-Expires")
    assert wire_timer == "1800;refresher=uac"


def test_a_yealink_that_answers_with_a_codec_that_was_not_offered():
    body = (FOLDER / "yealink-answer.sdp").read_bytes()
    with pytest.raises(NoCommonCodec):
        accept_answer(parse_sdp(body), local("PCMU"))
    body = body.replace(b"102 101", b"0 101").replace(b"rtpmap:102 opus/48000/2", b"rtpmap:0 PCMU/8000")
    agreed = accept_answer(parse_sdp(body), local("PCMU"))
    assert (agreed.remote, agreed.rtcp, agreed.ptime_ms) == (("192.0.2.10", 43272), ("192.0.2.10", 43273), 20)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sip")), ids=lambda path: path.stem)
def test_what_is_read_is_written_as_it_was_understood(path):
    message = parse(path.read_bytes())
    again = parse(message.serialize())
    assert sorted(again.headers) == sorted(message.headers)
    assert again.body == message.body


def test_each_has_its_source():
    named = (FOLDER / "README.md").read_text()
    for path in FOLDER.iterdir():
        assert path.name == "README.md" or f"| {path.name} |" in named
