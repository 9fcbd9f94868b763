import pytest

from gateway.sip import Digit
from gateway.sip.dialog.info import TYPES, keys_of
from gateway.sip.message.message import parse
from tests.wire import Wire, answered, request


def info(body, kind="application/dtmf-relay", **fields):
    return request("INFO", body=body, **fields).replace(b"application/sdp", kind.encode())


@pytest.mark.parametrize(
    ("body", "kind", "digit"),
    [
        (b"Signal=5\r\nDuration=160\r\n", "application/dtmf-relay", "5"),
        (b"Signal= #\r\nDuration= 250", "application/dtmf-relay", "#"),
        (b"Duration=100\r\nsignal=a\r\n", "application/dtmf-relay", "A"),
        (b"Signal=11\r\n", "application/dtmf-relay", "#"),
        (b"7", "application/dtmf", "7"),
        (b"*\r\n", "application/dtmf", "*"),
        (b"Signal=5\r\nDuration=160\r\n", "application/dtmf", "5"),
        (b"d=8\r\n", "application/dtmf", "8"),
        (b"10", "application/dtmf", "*"),
        (b"p=Digit-Collection\r\ny=Digits\r\ns=success\r\nd=4\r\n", "application/vnd.nortelnetworks.digits", "4"),
        (b"p=Digit-Collection\nd=12#", "application/vnd.nortelnetworks.digits", "12#"),
        (b"Signal=7", "application/vnd.nortelnetworks.digits", "7"),
        (b"6", "audio/telephone-event", "6"),
        (b"d=6", "audio/telephone-event", "6"),
        (b"\x0b\x8a\x03\x20", "audio/telephone-event", "#"),
        (b"\x10\x8a\x03\x20", "audio/telephone-event", ""),
        (b"Signal=16\r\n", "application/dtmf-relay", ""),
        (b"Signal=hf\r\n", "application/dtmf-relay", ""),
        (b"Signal=99\r\n", "application/dtmf-relay", None),
        (b"flash", "application/dtmf", ""),
        (b"<xml/>", "application/dtmf", None),
        (b"", "application/dtmf", None),
        (b"<media_control/>", "application/media_control+xml", None),
    ],
)
def test_what_was_pressed(body, kind, digit):
    assert keys_of(parse(info(body, kind))) == digit


def test_a_key_is_told_and_other_bodies_are_refused():
    wire = Wire()
    session = answered(wire).session
    tag = session.dialog.local.tag
    (ok,) = wire.receive(info(b"Signal=3\r\n", cseq=2, branch="z9hG4bKi1", to_tag=tag))
    assert (ok.status, wire.events[-1]) == (200, Digit(session, "3"))
    (no,) = wire.receive(info(b"<xml/>", "text/xml", cseq=3, branch="z9hG4bKi2", to_tag=tag))
    assert (no.status, no.headers.get("Accept")) == (415, ", ".join(TYPES))
    (empty,) = wire.receive(request("INFO", cseq=4, branch="z9hG4bKi3", to_tag=tag))
    assert empty.status == 200
