"""The SIP user agent: the core with sockets and a clock. This is the room's door."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.machine import Driver
from gateway.sip.core import Core, Refused, Send
from gateway.sip.events import Event
from gateway.sip.flow import Flow
from gateway.sip.session import Session
from gateway.sip.timers import Timing
from gateway.sip.transport import TlsSettings, Transports
from gateway.sip.trunks import Trunk

log = structlog.get_logger("gateway.sip")


@dataclass(frozen=True, slots=True)
class SipSettings:
    """`host` is the address to listen on for UDP and TCP, `public_host` the one to tell peers (empty: the same).

    With `trunks`, nobody else may call.
    """

    host: str = "127.0.0.1"
    port: int = 5060
    public_host: str = ""
    user_agent: str = "voice-agent-gateway"
    timing: Timing = field(default_factory=Timing)
    trunks: tuple[Trunk, ...] = ()
    tls: TlsSettings | None = None
    trace: bool = False  # every message into the log, without credentials


class UserAgent:
    """Listens, and hands every event of every call to `on_event`. The verbs of a call are called within `act`."""

    def __init__(self, settings: SipSettings, on_event: Callable[[Event], None]) -> None:
        self._settings = settings
        self._on_event = on_event
        self.core = Core(user_agent=settings.user_agent, timing=settings.timing, trunks=settings.trunks)
        self.refused = 0  # messages that could not be read
        self._transports = Transports(self._received, self._failed, settings.public_host)
        self._driver: Driver[Send | Event | Refused] | None = None

    @property
    def port(self) -> int:
        return self._transports.port

    @property
    def tls_port(self) -> int:
        """0 where TLS is not listened to."""
        return self._transports.tls_port

    async def listen(self) -> None:
        """Raises PortInUse, ConfigError."""
        self._driver = Driver(self.core, self._perform)
        await self._transports.listen(self._settings.host, self._settings.port, self._settings.tls)

    def reload(self) -> None:
        """Read the TLS certificate again, for connections to come. Raises ConfigError."""
        self._transports.reload()

    def act(self, verb: Callable[[float], object]) -> None:
        """Run one verb of a session, such as `lambda now: session.bye(now)`, and send what it wants sent."""
        assert self._driver is not None
        verb(self._driver.now())
        self._driver.drain()

    async def close(self) -> None:
        if self._driver:
            self._driver.close()
        await self._transports.close()

    def local_host(self, session: Session) -> str:
        """The address that the peer of this session reaches us at, for SDP."""
        return session.dialog.flow.local[0]

    def _received(self, data: bytes, flow: Flow) -> None:
        if self._settings.trace:
            _trace("received", data, flow)
        try:
            self.act(lambda now: self.core.receive(data, flow, now))
        except Exception:  # the door: a fault in one message touches no other
            log.exception("sip.bug", source=str(flow), start_line=data[:80])

    def _failed(self, client: object) -> None:
        self.act(lambda now: self.core.transport_failed(client, now))

    def _perform(self, action: Send | Event | Refused) -> None:
        match action:
            case Send():
                if self._settings.trace:
                    _trace("sent", action.data, action.flow)
                self._transports.send(action.data, action.flow, action.client)
            case Refused():
                self.refused += 1
                log.warning("sip.message_refused", source=str(action.flow), problem=action.problem)
            case _:
                self._on_event(action)


_SECRET = re.compile(rb"^((?:proxy-)?authorization|a=crypto)([ \t]*:)[^\r\n]*", re.IGNORECASE | re.MULTILINE)


def _trace(what: str, data: bytes, flow: Flow) -> None:
    text = _SECRET.sub(rb"\1\2 ***", data).decode("utf-8", "replace")
    log.info("sip.trace", what=what, peer=str(flow), message=text)
