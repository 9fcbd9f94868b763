"""What is fuzzed: functions that take bytes and must neither raise anything but their own error nor keep anything."""

from __future__ import annotations

from collections.abc import Callable

from gateway.errors import MediaAddressRefused, NoCommonCodec, SdpError, SipParseError
from gateway.rtp.receive import Receiver
from gateway.rtp.rtcp import Rtcp
from gateway.rtp.send import Sender
from gateway.rtp.source import Trust
from gateway.sip import AudioFormat, LocalMedia, accept_answer, make_answer, parse_sdp
from gateway.sip.message.framing import StreamFramer
from gateway.sip.message.message import Response, check, parse
from tests.wire import OFFER, Wire, answered, calling

LOCAL = LocalMedia("192.0.2.1", 20000, (AudioFormat("PCMU", 8000, 0), AudioFormat("PCMA", 8000, 8)), 1, srtp="optional")


def message(data: bytes) -> None:
    """What was parsed serialises to what parses the same."""
    try:
        first = parse(data)
        check(first)
    except SipParseError:
        return
    again = parse(first.serialize())
    assert (again.via, again.from_, again.to, again.cseq) == (first.via, first.from_, first.to, first.cseq)
    assert (again.body, isinstance(again, Response)) == (first.body, isinstance(first, Response))


def core(data: bytes) -> None:
    """One message into a user agent in the middle of a call and of another that rings; then ten minutes pass."""
    wire = Wire()
    session = answered(wire).session
    calling(wire)
    wire.receive(data.replace(b"LOCALTAG", session.dialog.local.tag.encode()))
    for event in wire.events:
        if hasattr(event.session, "reject") and event.session is not session:
            event.session.reject(486, wire.now)
    wire.drain()
    session.bye(wire.now)
    wire.drain()
    wire.run(600)
    assert len(wire.core) == 0, wire.core.__dict__


def stream(data: bytes) -> None:
    """However a stream is cut, the same messages come out."""
    whole, pieces = _frames([data]), _frames([data[at : at + 7] for at in range(0, len(data), 7)])
    assert whole == pieces


def _frames(pieces: list[bytes]) -> list[bytes]:
    framer = StreamFramer()
    return [message for piece in pieces for message in framer.feed(piece)]


def sdp(data: bytes) -> None:
    for use in (make_answer, accept_answer):
        try:
            use(parse_sdp(data), LOCAL)
        except (SdpError, NoCommonCodec, MediaAddressRefused):
            continue


def rtp(data: bytes) -> None:
    """Packets, each with its length in the byte before it, from two places; each is taken for a report too."""
    receiver = Receiver(0, 101, 8000, 0.04)
    receiver.source.expect(("192.0.2.10", 4000), Trust())
    reports = Rtcp(Sender(0, 101), receiver, 8000, "x", lambda: 0.0)
    at, now = 0, 0.0
    while at < len(data):
        size = data[at]
        place = ("192.0.2.10", 4000) if size & 1 else ("192.0.2.66", 4000)
        piece = data[at + 1 : at + 1 + size]
        receiver.push(piece, place, now)
        reports.receive(piece, now, 1e9 + now)
        reports.due(now, 1e9 + now)
        receiver.reorder.expire(now)
        at, now = at + 1 + size, now + 0.02


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message, "core": core, "stream": stream, "sdp": sdp, "rtp": rtp,
}  # fmt: skip

SEED_SDP = OFFER
