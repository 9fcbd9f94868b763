"""One call's RTP on its own socket. With `MediaClock` and `PortPool` this is what others use of the package."""

from __future__ import annotations

import asyncio
import errno
import random
import resource
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import structlog

from gateway.errors import NoFileDescriptor, NoMediaPort
from gateway.rtp.packet import is_stun
from gateway.rtp.ports import PortPool
from gateway.rtp.quality import CONCEALED, mos
from gateway.rtp.receive import Receiver
from gateway.rtp.reorder import Gap, Switch
from gateway.rtp.rtcp import Rtcp
from gateway.rtp.send import Sender
from gateway.rtp.source import Address, Trust
from gateway.rtp.srtp import Srtp

log = structlog.get_logger("gateway.rtp")


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """`host` to bind to; RTP ports `first_port` to `last_port`; `reorder_ms` is how long a hole is waited for.

    A call of which nothing was heard for `timeout_seconds`, though it is not held, is over; 0 means never.
    """

    host: str = "127.0.0.1"
    first_port: int = 20000
    last_port: int = 29999
    reorder_ms: int = 40
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Stream:
    """What offer and answer agreed on. `packet_ms` is what the peer wants to be sent.

    `rtcp` is where reports go, if not to the port above; with `mux` they go by that of RTP (RFC 5761). `accepted` are
    further payload types of audio that may come, `dtmf_accepted` of telephone-event. `trust` says where media may come
    from and go to besides `remote`, which is an address and no name.
    """

    payload_type: int
    dtmf_payload_type: int | None
    remote: Address
    sending: bool = True
    srtp: Srtp | None = None
    rtcp: Address | None = None
    mux: bool = False
    packet_ms: int = 20
    trust: Trust = field(default_factory=Trust)
    accepted: frozenset[int] = frozenset()
    dtmf_accepted: frozenset[int] = frozenset()


class Sink(Protocol):
    """Who listens. Called in the loop turn of the packet."""

    def audio(self, payload: bytes) -> None:
        """The next payload in order."""

    def gap(self, gap: Gap) -> None:
        """Audio that will not come."""

    def digit(self, digit: str) -> None:
        """A key was pressed: one of 0-9 * # A-D."""

    def switch(self, payload_type: int) -> None:
        """What comes now is of another of the payload types that were agreed on."""


class RtpSession(asyncio.DatagramProtocol):
    """Receives as soon as it is open, sends once `update` has said where to. `str()` tells the path."""

    def __init__(self, sink: Sink, window: float, now: Callable[[], float]) -> None:
        self._sink = sink
        self._now = now
        self._transport: asyncio.DatagramTransport | None = None
        self._remote: Address | None = None
        self._close: Callable[[], None] = lambda: None
        self.port = 0
        self.sending = True
        self.srtp: Srtp | None = None
        self.receiver = Receiver(0, None, 8000, window)
        self.sender = Sender(0, None)
        self.rtcp = Rtcp(self.sender, self.receiver, 8000, f"gateway-{secrets.token_hex(4)}", random.random)
        self._control: asyncio.DatagramTransport | None = None
        self._control_to: Address | None = None
        self._mux = False  # RTCP by the port of RTP (RFC 5761)
        self._updated_at = now()
        self.withheld = 0  # frames that nobody was there for: the SDP's address is not vouched for, and has not sent
        self.unsent = 0  # packets that the socket did not take

    def __str__(self) -> str:
        heard = self.receiver.source.current or ("nobody", 0)
        return f"udp:{self.port} from {heard[0]}:{heard[1]} payload type {self.sender.payload_type}"

    def update(self, stream: Stream) -> None:
        """May change in mid-call."""
        self._mux, self._updated_at = stream.mux, self._now()
        above = (stream.remote[0], stream.remote[1] + 1) if stream.remote[1] < 65535 else None
        self._control_to = stream.rtcp or above
        self.srtp = stream.srtp
        self.use(stream.payload_type)
        self.sender.dtmf_payload_type = stream.dtmf_payload_type
        self.receiver.payload_types = stream.accepted | {stream.payload_type}
        known = set() if stream.dtmf_payload_type is None else {stream.dtmf_payload_type}
        self.receiver.dtmf_types = (stream.dtmf_accepted | known) - self.receiver.payload_types
        self.sender.packet_ms = stream.packet_ms
        self.sending = stream.sending
        if stream.remote[0] in ("0.0.0.0", "::"):  # a hold as RFC 2543 had it: who it is has not changed
            self._control_to = None
            return
        self._remote = stream.remote
        self.receiver.source.expect(stream.remote, stream.trust)

    def use(self, payload_type: int) -> None:
        """Send this one from now on, and take it for what comes."""
        self.sender.payload_type = self.receiver.reorder.payload_type = payload_type

    def send(self, payload: bytes, talking: bool) -> None:
        """One frame of 20 ms. `rtp.source` says where it goes, and whether it does."""
        if not self.sending or self._remote is None or self._transport is None:
            return
        to = self.receiver.source.target(self._now())
        packets = self.sender.frame(payload, talking)  # its clock runs on in any case
        if to is None:
            self._withhold()
            return
        for packet in packets:
            self._put(self._transport, self.srtp.protect(packet) if self.srtp else packet, to)

    @property
    def highest_descriptor(self) -> int:
        """Of its sockets: the lowest free number is taken, so it tells how many are open."""
        sockets = [one.get_extra_info("socket") for one in (self._transport, self._control) if one]
        return max((one.fileno() for one in sockets if one), default=0)

    def _put(self, transport: asyncio.DatagramTransport, data: bytes, to: Address) -> None:
        """What cannot be sent is lost, as on any line: media never ends a call by an exception."""
        try:
            transport.sendto(data, to)
        except (OSError, ValueError, RuntimeError) as error:
            self.unsent += 1
            if self.unsent == 1:
                log.warning("rtp.not_sent", to=f"{to[0]}:{to[1]}", problem=str(error) or type(error).__name__)

    def _withhold(self) -> None:
        self.withheld += 1
        if self.withheld == 1 and self._remote:
            log.warning(
                "rtp.withheld",
                to=f"{self._remote[0]}:{self._remote[1]}",
                fix="nothing came from there; if it is the trunk's, name its network in the trunk's media_peers",
            )

    def send_dtmf(self, digits: str) -> None:
        self.sender.queue_digits(digits)

    def expire(self) -> None:
        """Once a frame: let go of what waits behind a hole for too long."""
        now = self._now()
        self._deliver(self.receiver.reorder.expire(now))
        if self._remote and (report := self.rtcp.due(now, time.time())):
            self._send_report(report)

    @property
    def waiting(self) -> bool:
        """Packets have come, and wait behind a hole."""
        return self.receiver.reorder.waiting

    def _send_report(self, report: bytes) -> None:
        data = self.srtp.protect_rtcp(report) if self.srtp else report
        to = self.receiver.source.target(self._now())
        if to is None:
            return
        if self._mux and self._transport:
            self._put(self._transport, data, to)
        elif self._control and self._control_to:
            self._put(self._control, data, self._control_to)

    def report_received(self, data: bytes, source: Address) -> None:
        """RTCP, by its own port or by that of RTP; from the host of the stream."""
        if not self.receiver.source.is_host(source[0]):
            self.receiver.stats.foreign += 1
            return
        plain = self.srtp.unprotect_rtcp(data) if self.srtp else data
        if plain is None or not self.rtcp.receive(plain, self._now(), time.time()):
            self.receiver.stats.garbage += 1
            return
        self._lives(source)
        if not self._mux:
            self._control_to = source  # behind a NAT it comes from elsewhere

    def _lives(self, source: Address) -> None:
        """A sign of life that is no RTP, of a host that is the peer's."""
        self.receiver.heard_at = self._now()
        if self._remote and source[0] == self._remote[0]:
            self.receiver.source.spoke()

    @property
    def quiet_seconds(self) -> float:
        """Since the peer's last sign of life (audio, comfort noise, a key, RTCP, STUN), or the last agreement."""
        return self._now() - max(self._updated_at, self.receiver.heard_at or 0.0)

    def stats(self) -> dict[str, Any]:
        received = asdict(self.receiver.stats)
        reorder, rtcp = self.receiver.reorder, self.rtcp
        told = {
            "round_trip_ms": rtcp.round_trip is not None and round(rtcp.round_trip * 1000, 1),
            "far_loss": rtcp.far_loss is not None and round(rtcp.far_loss, 4),
            "far_jitter_ms": rtcp.far_jitter is not None and round(rtcp.far_jitter * 1000, 2),
        }
        if received["packets"]:
            loss = (reorder.lost + reorder.late) / max(1, received["packets"] + reorder.lost)
            told["mos"] = round(mos(loss, rtcp.round_trip or 0.0, CONCEALED), 2)
        if rtcp.far_loss is not None:
            told["far_mos"] = round(mos(rtcp.far_loss, rtcp.round_trip or 0.0), 2)
        return {
            **{name: value for name, value in told.items() if value is not False},
            **{f"received_{name}": value for name, value in received.items() if name != "jitter"},
            "jitter_ms": round(received["jitter"] * 1000, 2),
            "lost": reorder.lost,
            "late": reorder.late,
            "duplicate": reorder.duplicate,
            "sent_packets": self.sender.packets,
            **({"withheld": self.withheld} if self.withheld else {}),
            **({"unsent": self.unsent} if self.unsent else {}),
            "srtp": self.srtp.suite if self.srtp else "",
        }

    def close(self) -> None:
        """Once or more often. The sockets and the port are given back whatever else fails."""
        transport, self._transport = self._transport, None
        control, self._control = self._control, None
        if transport is None:
            return
        try:
            if self._remote and (to := self.receiver.source.target(self._now())):
                bye = self.rtcp.bye(self._now(), time.time())
                data = self.srtp.protect_rtcp(bye) if self.srtp else bye
                if self._mux:
                    self._put(transport, data, to)
                elif control and self._control_to:
                    self._put(control, data, self._control_to)
        except Exception:  # the end of a call is no place for faults
            log.exception("rtp.bug", session=str(self))
        finally:
            if control:
                control.close()
            transport.close()
            self._close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(data) > 1 and 192 <= data[1] <= 223:  # RTCP that shares the port (RFC 5761 section 4)
            self.report_received(data, (addr[0], addr[1]))
            return
        if is_stun(data):
            if self.receiver.source.is_host(addr[0]):
                self._lives((addr[0], addr[1]))
            return
        if self.srtp:
            plain = self.srtp.unprotect(data)
            if plain is None:
                self.receiver.stats.garbage += 1
                return
            data = plain
        self._deliver(self.receiver.push(data, (addr[0], addr[1]), self._now()))
        if self.receiver.digits:
            digits, self.receiver.digits = self.receiver.digits, []
            for digit in digits:
                self._sink.digit(digit)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error says that the peer does not listen yet, or no longer; signalling decides what follows."""

    def _deliver(self, items: list[bytes | Gap | Switch]) -> None:
        for item in items:
            if isinstance(item, bytes):
                self._sink.audio(item)
            elif isinstance(item, Gap):
                self._sink.gap(item)
            else:
                self._sink.switch(item.payload_type)


class _Control(asyncio.DatagramProtocol):
    """The port of RTCP, one above that of RTP (RFC 3550 section 11)."""

    def __init__(self, session: RtpSession) -> None:
        self._session = session

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._session.report_received(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """Many peers do not listen there."""


RESERVED_DESCRIPTORS = 64
"""That new calls do not take: those in progress need some for their providers, Redis and files."""


def descriptor_limit() -> int:
    """How many the process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What is wrong with the machine, and not with a port."""


async def open_session(settings: MediaSettings, pool: PortPool, sink: Sink) -> RtpSession:
    """Take a port and listen on it. Raises NoMediaPort, NoFileDescriptor."""
    loop = asyncio.get_running_loop()
    busy: list[int] = []
    try:
        for _ in range(50):  # a port may be taken by a stranger
            port = pool.take()
            session = RtpSession(sink, settings.reorder_ms / 1000, loop.time)
            session.port, session._close = port, partial(pool.give_back, port)
            try:
                await loop.create_datagram_endpoint(lambda: session, (settings.host, port))  # noqa: B023
            except OSError as error:
                busy.append(port)
                if error.errno in NO_FILES:
                    raise NoFileDescriptor(str(error)) from error
                continue
            except BaseException:  # the caller gave up just now
                pool.give_back(port)
                raise
            try:
                session._control, _ = await loop.create_datagram_endpoint(
                    lambda: _Control(session),  # noqa: B023
                    (settings.host, port + 1),
                )
            except OSError as error:
                if error.errno in NO_FILES:
                    session.close()
                    raise NoFileDescriptor(str(error)) from error
                # else without reports: a call is a call all the same
            except BaseException:
                session.close()
                raise
            if session.highest_descriptor >= descriptor_limit() - RESERVED_DESCRIPTORS:
                session.close()
                raise NoFileDescriptor("what is left is kept for calls in progress")
            pool.lent[port] = session
            return session
    finally:
        for port in busy:
            pool.give_back(port)
    raise NoMediaPort(settings.first_port, settings.last_port)
