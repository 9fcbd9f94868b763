"""One call's RTP on its own socket. This is the room's door, with `MediaClock` and `PortPool`."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol, cast

from gateway.errors import NoMediaPort
from gateway.rtp.ports import PortPool
from gateway.rtp.quality import CONCEALED, mos
from gateway.rtp.receive import Address, Receiver
from gateway.rtp.reorder import Gap
from gateway.rtp.rtcp import Rtcp
from gateway.rtp.send import Sender
from gateway.rtp.srtp import Srtp


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

    `rtcp` is where reports go, if not to the port above; with `mux` they go by that of RTP (RFC 5761).
    """

    payload_type: int
    dtmf_payload_type: int | None
    remote: Address
    sending: bool = True
    srtp: Srtp | None = None
    rtcp: Address | None = None
    mux: bool = False
    packet_ms: int = 20


class Sink(Protocol):
    """Who listens. Called in the loop turn of the packet."""

    def audio(self, payload: bytes) -> None:
        """The next payload in order."""

    def gap(self, gap: Gap) -> None:
        """Audio that will not come."""

    def digit(self, digit: str) -> None:
        """A key was pressed: one of 0-9 * # A-D."""


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

    def __str__(self) -> str:
        heard = self.receiver.source or ("nobody", 0)
        return f"udp:{self.port} from {heard[0]}:{heard[1]} payload type {self.receiver.payload_type}"

    def update(self, stream: Stream) -> None:
        """May change in mid-call."""
        self._mux = stream.mux
        self._control_to = stream.rtcp or (stream.remote[0], stream.remote[1] + 1)
        self.srtp = stream.srtp
        self.receiver.payload_type = self.sender.payload_type = stream.payload_type
        self.receiver.dtmf_payload_type = self.sender.dtmf_payload_type = stream.dtmf_payload_type
        self.sender.packet_ms = stream.packet_ms
        self.sending = stream.sending
        if stream.remote != self._remote:
            self._remote = stream.remote
            self.receiver.expect(stream.remote)

    def send(self, payload: bytes, talking: bool) -> None:
        """One frame of 20 ms. It goes to where the peer's packets come from, once that is known (symmetric RTP)."""
        if not self.sending or self._remote is None or self._transport is None:
            return
        for packet in self.sender.frame(payload, talking):
            data = self.srtp.protect(packet) if self.srtp else packet
            self._transport.sendto(data, self.receiver.source or self._remote)

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
        if self._mux and self._transport and self._remote:
            self._transport.sendto(data, self.receiver.source or self._remote)
        elif self._control and self._control_to:
            self._control.sendto(data, self._control_to)

    def report_received(self, data: bytes, source: Address) -> None:
        """RTCP, by its own port or by that of RTP; from the host that sends the stream, once that is known."""
        if self.receiver.source and source[0] != self.receiver.source[0]:
            self.receiver.stats.foreign += 1
            return
        plain = self.srtp.unprotect_rtcp(data) if self.srtp else data
        if plain is None or not self.rtcp.receive(plain, self._now(), time.time()):
            self.receiver.stats.garbage += 1
        elif not self._mux:
            self._control_to = source  # behind a NAT it comes from elsewhere

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
            "srtp": self.srtp.suite if self.srtp else "",
        }

    def close(self) -> None:
        if self._transport is not None:
            if self._remote:
                self._send_report(self.rtcp.bye(self._now(), time.time()))
            if self._control:
                self._control.close()
            self._transport.close()
            self._transport = None
            self._close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(data) > 1 and 192 <= data[1] <= 223:  # RTCP that shares the port (RFC 5761 section 4)
            self.report_received(data, (addr[0], addr[1]))
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

    def _deliver(self, items: list[bytes | Gap]) -> None:
        for item in items:
            if isinstance(item, Gap):
                self._sink.gap(item)
            else:
                self._sink.audio(item)


class _Control(asyncio.DatagramProtocol):
    """The port of RTCP, one above that of RTP (RFC 3550 section 11)."""

    def __init__(self, session: RtpSession) -> None:
        self._session = session

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._session.report_received(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """Many peers do not listen there."""


async def open_session(settings: MediaSettings, pool: PortPool, sink: Sink) -> RtpSession:
    """Take a port and listen on it. Raises NoMediaPort."""
    loop = asyncio.get_running_loop()
    busy: list[int] = []
    try:
        for _ in range(50):  # a port may be taken by a stranger
            port = pool.take()
            session = RtpSession(sink, settings.reorder_ms / 1000, loop.time)
            session.port, session._close = port, partial(pool.give_back, port)
            try:
                await loop.create_datagram_endpoint(lambda: session, (settings.host, port))  # noqa: B023
            except OSError:
                busy.append(port)
                continue
            except asyncio.CancelledError:  # the caller gave up just now
                pool.give_back(port)
                raise
            try:
                session._control, _ = await loop.create_datagram_endpoint(
                    lambda: _Control(session),  # noqa: B023
                    (settings.host, port + 1),
                )
            except OSError:
                pass  # without reports a call is a call all the same
            except asyncio.CancelledError:
                session.close()
                raise
            return session
    finally:
        for port in busy:
            pool.give_back(port)
    raise NoMediaPort(settings.first_port, settings.last_port)
