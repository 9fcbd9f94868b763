"""A user agent core on a fake clock, and the SIP that a peer would send it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.sip import Answered, Event, Incoming, InviteParameters, UacSession
from gateway.sip.bans import Ban
from gateway.sip.core import AcceptConnection, Banned, Core, Locate, LookUp, Refused, Send, TrunkNotice
from gateway.sip.flow import Flow
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request, Response, parse
from gateway.sip.message.uri import Uri
from gateway.sip.stack import Stack

UDP = Flow("udp", ("192.0.2.10", 5060), ("192.0.2.1", 5060))
TCP = Flow("tcp", ("192.0.2.10", 5060), ("192.0.2.1", 5060), connection=1)

OFFER = (
    b"v=0\r\no=peer 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
)


@dataclass
class Sent:
    """One message that left the core, and when."""

    at: float
    message: Request | Response


@dataclass
class Wire:
    """`core` with everything that it sent and told. Times are seconds since the start."""

    flow: Flow = UDP
    now: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)  # when keepalives were sent
    located: list[Uri] = field(default_factory=list)
    ways: tuple[Flow, ...] = ()  # where every URI leads
    hosts: dict[str, set[str]] = field(default_factory=dict)  # addresses by name
    notices: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    banned: list[Ban] = field(default_factory=list)
    vouched: list[Flow] = field(default_factory=list)

    def __post_init__(self) -> None:
        tokens = itertools.count(1)
        self.stack = Stack(user_agent="test", token=lambda: f"t{next(tokens)}", chance=lambda: 0.5)

    @property
    def core(self) -> Core:
        return self.stack.core

    def receive(self, data: bytes) -> list[Request | Response]:
        """Hand the core a datagram; what it sends at once."""
        before = len(self.sent)
        self.core.receive(data, self.flow, self.now)
        self.drain()
        return [one.message for one in self.sent[before:]]

    def act(self, verb: Callable[[float], object]) -> list[Request | Response]:
        before = len(self.sent)
        verb(self.now)
        self.drain()
        return [one.message for one in self.sent[before:]]

    def drain(self) -> None:
        while actions := self.core.actions():
            self._perform(actions)

    def _perform(self, actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, Send) and not action.data.strip():
                self.pings.append(self.now)
            elif isinstance(action, Send):
                self.sent.append(Sent(self.now, parse(action.data)))
            elif isinstance(action, Locate):
                self.located.append(action.target)
                action.then(self.ways, self.now)
            elif isinstance(action, LookUp):
                action.then(self.hosts.get(action.name, set()), self.now)
            elif isinstance(action, TrunkNotice):
                self.notices.append(action.problem)
            elif isinstance(action, Refused):
                self.refused.append(action)
            elif isinstance(action, Banned):
                self.banned.append(action.ban)
            elif isinstance(action, AcceptConnection):
                self.vouched.append(action.flow)
            else:
                self.events.append(action)

    def run(self, seconds: float) -> None:
        """Jump from deadline to deadline."""
        until = self.now + seconds
        while (deadline := self.core.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.core.expire(self.now)
            self.drain()
        self.now = until

    def times(self, what: int | str) -> list[float]:
        """When messages with this status or method were sent."""
        return [
            one.at
            for one in self.sent
            if what in (getattr(one.message, "status", 0), getattr(one.message, "method", ""))
        ]


def request(
    method: str = "INVITE",
    *,
    branch: str = "z9hG4bKa1",
    cseq: int = 1,
    to_tag: str = "",
    body: bytes = b"",
    transport: str = "UDP",
    target: str = "sip:reception@192.0.2.1",
    extra: str = "",
) -> bytes:
    """A well-formed request of the peer's."""
    to = f"<sip:reception@192.0.2.1>{to_tag and ';tag=' + to_tag}"
    content = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
    head = (
        f"{method} {target} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 192.0.2.10:5060;branch={branch};rport\r\n"
        f'From: "Peer" <sip:peer@192.0.2.10>;tag=peer1\r\nTo: {to}\r\nCall-ID: one@192.0.2.10\r\n'
        f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:peer@192.0.2.10:5060>\r\n{extra}{content}\r\n"
    )
    return head.encode() + body


def answered(wire: Wire, body: bytes = b"v=0\r\n") -> Incoming:
    """Bring a call up: INVITE, 200, ACK."""
    wire.receive(request(body=OFFER))
    incoming = next(event for event in wire.events if isinstance(event, Incoming))
    wire.act(lambda now: incoming.session.answer(body, now))
    tag = incoming.session.dialog.local.tag
    wire.receive(request("ACK", branch="z9hG4bKack", to_tag=tag))
    return incoming


def calling(wire: Wire, **options: Any) -> Request:
    """Call the peer; the INVITE that left."""
    given: dict[str, Any] = {
        "target": Uri.parse("sip:5551234@192.0.2.10"),
        "flows": (wire.flow,),
        "caller": NameAddr.parse("<sip:100@192.0.2.1>"),
        "callee": NameAddr.parse("<sip:5551234@192.0.2.10>"),
        "offer": lambda flow: OFFER,
    }
    (invite,) = wire.act(lambda now: wire.stack.invite(InviteParameters(**given | options), now))
    assert isinstance(invite, Request)
    return invite


def response(invite: Request, status: int, tag: str = "p1", body: bytes = b"", **headers: str) -> bytes:
    """The peer's answer to a request of ours; `Record_Route="..."` becomes a header."""
    one = invite.respond(status, to_tag=tag)
    one.headers.add("Contact", f"<sip:peer-{tag}@192.0.2.10:5070>")
    for name, value in headers.items():
        one.headers.add(name.replace("_", "-"), value)
    if body:
        one.headers.add("Content-Type", "application/sdp")
        one.body = body
    return one.serialize()


def picked_up(wire: Wire, **options: Any) -> UacSession:
    """Call the peer, who answers."""
    invite = calling(wire, **options)
    wire.receive(response(invite, 200, body=OFFER))
    session = next(event.session for event in reversed(wire.events) if isinstance(event, Answered))
    assert isinstance(session, UacSession)
    return session


def asked(wire: Wire, method: str, session: Any, cseq: int = 1, body: bytes = b"", extra: str = "") -> bytes:
    """A request of the peer's within a session of any direction."""
    dialog = session.dialog
    content = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
    return (
        f"{method} {dialog.contact} SIP/2.0\r\n"
        f"Via: SIP/2.0/{wire.flow.transport.upper()} 192.0.2.10:5060;branch=z9hG4bK{method}{cseq};rport\r\n"
        f"From: {dialog.remote}\r\nTo: {dialog.local}\r\nCall-ID: {dialog.call_id}\r\nCSeq: {cseq} {method}\r\n"
        f"Max-Forwards: 70\r\nContact: <sip:peer@192.0.2.10:5060>\r\n{extra}{content}\r\n"
    ).encode() + body
