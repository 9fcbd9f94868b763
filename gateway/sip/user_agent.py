"""The SIP user agent: the core with sockets and a clock. This is the package's public interface."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

import structlog

from gateway.errors import ConfigError
from gateway.machine import Driver
from gateway.outcomes import RETRY_AFTER
from gateway.sip.bans import BAN_SECONDS
from gateway.sip.core import AcceptConnection, Action, Banned, Core, Locate, LookUp, Refused, Send, TrunkNotice
from gateway.sip.events import Event, Registered
from gateway.sip.flow import Flow
from gateway.sip.invite.outgoing import OutgoingInvite, invitation
from gateway.sip.invite.uac import UacSession
from gateway.sip.lookup import Dns
from gateway.sip.probe import Probe, Probed
from gateway.sip.public_host import EVERY_SECONDS, STUN_SERVERS, PublicHost, find_public_host
from gateway.sip.register.digest import Login
from gateway.sip.register.registrar import Binding
from gateway.sip.register.registration import Registration
from gateway.sip.resolve import hosts_of, locate
from gateway.sip.stack import Stack
from gateway.sip.tls import TlsSettings
from gateway.sip.trace import Trace, readable
from gateway.sip.transaction.timers import Timing
from gateway.sip.transport import Transports
from gateway.sip.trunk.peer_names import PeerNames
from gateway.sip.trunk.server_health import ServerChanged, ServerHealth
from gateway.sip.trunk.settings import Trunk

T = TypeVar("T")

log = structlog.get_logger("gateway.sip")


@dataclass(frozen=True, slots=True)
class SipSettings:
    """`host` is the address to listen on for UDP and TCP, `public_host` the one to tell peers (empty: the same).

    `media_public_host` is the one that descriptions of media (SDP) name, where that is another. Each of them may be
    `auto`: what the first of `stun_servers` (host:port) sees that answers.
    `also` are further addresses, each with its port and public host. With `trunks`, nobody else may call; without any,
    this machine and private networks, or with `open` everybody. Who else does
    is refused or, with `ignore_unknown_peers`, not even answered. `nameservers` as host:port, none for the system's.
    `retry_after`: seconds by the reason of a 503.
    """

    host: str = "127.0.0.1"
    port: int = 5060
    public_host: str = ""
    media_public_host: str = ""
    stun_servers: tuple[str, ...] = STUN_SERVERS
    also: tuple[tuple[str, int, str], ...] = ()
    user_agent: str = "voice-agent-gateway"
    timing: Timing = field(default_factory=Timing)
    realm: str = ""  # what passwords are asked for; empty: the public host, or a name
    open: bool = False  # without trunks, whether everybody may call, and not only private networks
    calls_per_second: float = 50.0  # of callers that belong to no trunk, all together; 0: no limit
    max_calls: int = 500  # at once, of the whole node; 0: no limit
    max_setups: int = 300  # that came in and are not answered yet: beyond them the node is overloaded
    trunks: tuple[Trunk, ...] = ()
    ignore_unknown_peers: bool = False
    retry_after: Mapping[str, int] = field(default_factory=lambda: RETRY_AFTER)
    tls: TlsSettings | None = None
    any_certificate: bool = False  # of servers that are called by TLS: for telephones and tests alone
    nameservers: tuple[str, ...] = ()
    trace: bool = False  # every message into the log, without credentials
    trace_calls: int = 100  # calls whose messages are remembered


def _realm(host: str) -> str:
    """An unspecified address is no realm (RFC 3261 section 22.1 wants a host name)."""
    return "voice-agent-gateway" if host in ("0.0.0.0", "::", "") else host


class UserAgent:
    """Listens, and hands every event of every call to `on_event`. The verbs of a call are called within `act`."""

    def __init__(self, settings: SipSettings, on_event: Callable[[Event], None]) -> None:
        self._settings = settings
        self._on_event = on_event
        self._public = PublicHost(settings.public_host)
        self._media_public = PublicHost(settings.media_public_host) if settings.media_public_host else None
        self.stack = Stack(
            user_agent=settings.user_agent,
            timing=settings.timing,
            trunks=settings.trunks,
            max_calls=settings.max_calls,
            max_setups=settings.max_setups,
            ignore_unknown_peers=settings.ignore_unknown_peers,
            retry_after=settings.retry_after,
            realm=settings.realm or self._public.host or _realm(settings.host),
            open_to_all=settings.open,
            calls_per_second=settings.calls_per_second,
        )
        self.core = self.stack.core
        self.registrations: dict[str, Registration] = {}  # by the trunk's name
        self.health: dict[str, ServerHealth] = {}  # likewise, of those that are asked
        self._names: dict[str, PeerNames] = {}
        self._dns = Dns(settings.nameservers, socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
        self._tasks: set[asyncio.Task[None]] = set()
        self.trace = Trace(settings.trace_calls)
        self.refused = 0  # messages that could not be read
        trunks = self.core.trunks
        self._transports = Transports(
            self._received, self._failed, trunks.trusts, lambda host: [one.name for one in trunks.at(host)]
        )
        if settings.any_certificate:
            self._transports.believe_anybody()
        self._driver: Driver[Action] | None = None

    @property
    def own_ports(self) -> set[int]:
        """UDP ports of ours that SIP is listened to on."""
        return self._transports.own_ports

    def bans(self) -> list[dict[str, object]]:
        """Who is not listened to now, and for how long."""
        now = asyncio.get_running_loop().time()
        return [
            {"address": one.address, "account": one.account, "reason": one.reason, "seconds": round(one.until - now)}
            for one in self.core.trunks.bans.current(now)
        ]

    def lift_ban(self, address: str, account: str = "") -> int:
        """Listen again; how many bans that ended."""
        lifted = self.core.trunks.bans.lift(address, account)
        if lifted:
            log.info("sip.ban_lifted", address=address, account=account)
        return lifted

    @property
    def port(self) -> int:
        return self._transports.port

    @property
    def tls_port(self) -> int:
        """0 where TLS is not listened to."""
        return self._transports.tls_port

    async def listen(self) -> None:
        """Raises PortInUse, ConfigError."""
        settings = self._settings
        also = [(host, port, PublicHost(told)) for host, port, told in settings.also]
        self._found_public = [
            one for one in (self._public, self._media_public, *(row[2] for row in also)) if one and one.auto
        ]
        if self._found_public:
            await self._find_public_host()
            self._spawn(self._keep_public_host())
        self._driver = Driver(self.core, self._perform)
        for host, port, public in ((settings.host, settings.port, self._public), *also):
            await self._transports.listen(host, port, settings.tls, public)
        self.use(self._settings.trunks)

    async def _find_public_host(self) -> None:
        """Raises ConfigError."""
        settings = self._settings
        found = await find_public_host(settings.stun_servers, settings.host, settings.nameservers)
        if any(one.host != found for one in self._found_public):
            log.info("sip.public_host", found=found, before=self._found_public[0].host)
        for one in self._found_public:
            one.host = found

    async def _keep_public_host(self) -> None:
        """Ask again and again; where nobody answers the last address stays. Calls in progress keep what they said."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self._find_public_host()
            except ConfigError as error:
                log.warning("sip.public_host_unknown", problem=error.problem, used_again=self._found_public[0].host)

    @property
    def public_host(self) -> str:
        """What peers of the Internet are told; empty where that is the address of the route to them."""
        return self._public.host

    def media_host(self, flow: Flow) -> str:
        """The address that descriptions of media tell the peer of `flow`."""
        told = self._media_public.told(flow.remote[0]) if self._media_public else ""
        return told or flow.local[0]

    def reload(self) -> None:
        """Read the TLS certificate again, for connections to come. Raises ConfigError."""
        self._transports.reload()

    def use(self, trunks: tuple[Trunk, ...]) -> None:
        """Take these trunks from now on: calls in progress stay, registrations begin, change or end.

        Raises ConfigError, and all is as it was.
        """
        self._transports.use({trunk.name: trunk.tls for trunk in trunks if trunk.has_tls})
        self.core.trunks.use(trunks)
        self._keep(self.registrations, Registration, [one for one in trunks if one.register_seconds])
        self._keep(self.health, ServerHealth, [one for one in trunks if one.options_ping_seconds and one.server])
        self._keep(self._names, PeerNames, [one for one in trunks if one.peer_names])

    def _keep(self, running: dict[str, Any], make: Callable[[Core, Trunk], Any], trunks: list[Trunk]) -> None:
        """Of what runs for trunks: start, stop, and start anew for those that changed."""
        wanted = {trunk.name: trunk for trunk in trunks}
        for name, one in list(running.items()):
            if wanted.get(name) != one.trunk:
                del running[name]
                self.act(one.stop)
        for name, trunk in wanted.items():
            if name not in running:
                running[name] = make(self.core, trunk)
                self.act(running[name].start)

    def trunk_state(self, trunk: Trunk) -> dict[str, Any]:
        """What is known of it now, plain JSON values: `servers`, `registration` and `problems`, as far as there are."""
        now, found = asyncio.get_running_loop().time(), dict[str, Any]()
        if health := self.health.get(trunk.name):
            found["servers"] = [
                {"server": name, "up": one.up, "problem": one.problem, "ms": round(one.ms, 1)}
                for name, one in health.servers.items()
            ]
        if registration := self.registrations.get(trunk.name):
            found["registration"] = {"problem": registration.problem}
            if granted := registration.granted:
                found["registration"] |= {
                    "server": granted.server,
                    "contact": granted.binding,
                    "seconds": granted.seconds,
                    "seconds_left": max(0, round(granted.until - now)),
                    "seen": granted.seen,
                    "service_route": list(granted.service_route),
                    "identities": list(granted.identities),
                }
        if problems := [text for (name, _), text in self.core.trunks.problems.items() if name == trunk.name]:
            found["problems"] = problems
        return found

    def is_down(self, trunk: Trunk) -> bool:
        """None of its servers answers OPTIONS; False where they are not asked."""
        health = self.health.get(trunk.name)
        return health is not None and health.down

    async def probe(self, trunk: Trunk, method: Literal["OPTIONS", "REGISTER"]) -> Probed:
        """Ask a trunk's server for a sign of life, or whether it takes our login. Nothing is changed by it."""
        told: asyncio.Future[Probed] = asyncio.get_running_loop().create_future()
        self.act(Probe(self.core, trunk, method, told.set_result).start)
        return await told

    def call(self, invite: OutgoingInvite, offer: Callable[[Flow], bytes]) -> UacSession:
        """Call somebody; `offer` makes our SDP for the way to them.

        Raises SipParseError for what cannot be called, TrunkBusy.
        """
        login = Login(invite.trunk.credentials, self.core.token) if invite.trunk.credentials else None
        asked = invitation(invite, offer, login, self.host, self._telephones(invite))
        registration = self.registrations.get(invite.trunk.name)
        if registration and registration.granted and asked.hop and not asked.routes:
            asked = replace(asked, routes=registration.granted.service_route)  # RFC 3608 section 6.1
        assert self._driver is not None
        session = self.stack.invite(asked, self._driver.now())
        asyncio.get_running_loop().call_soon(self._driver.drain)  # first the session, then what becomes of it
        return session

    def _telephones(self, invite: OutgoingInvite) -> list[Binding]:
        """Where a user who has logged in is reached."""
        if not any(user.username == invite.target for user in invite.trunk.users):
            return []
        return self.stack.registrar.find(invite.target, asyncio.get_running_loop().time())

    def act(self, verb: Callable[[float], T]) -> T:
        """What one verb of a session returns, such as `lambda now: session.bye(now)`; what it wants sent is sent."""
        assert self._driver is not None
        found = verb(self._driver.now())
        self._driver.drain()
        return found

    async def close(self) -> None:
        self.use(())
        for task in self._tasks:
            task.cancel()
        if self._driver:
            self._driver.close()
        await self._transports.close()

    @property
    def host(self) -> str:
        """The address that we tell those who are on no particular way to us."""
        return self._transports.local(("192.0.2.1", 0), "udp")[0]

    def _received(self, data: bytes, flow: Flow) -> None:
        self._note("received", data, flow)
        try:
            self.act(lambda now: self.core.receive(data, flow, now))
        except Exception:  # boundary: a fault in one message touches no other
            log.exception("sip.bug", source=str(flow), start_line=data[:80])

    def _note(self, what: str, data: bytes, flow: Flow) -> None:
        self.trace.note(time.time(), what, data, flow)
        if self._settings.trace and data.strip():
            log.info("sip.trace", what=what, peer=str(flow), message=readable(data))

    def _failed(self, client: object) -> None:
        self.act(lambda now: self.core.transport_failed(client, now))

    async def _look_up(self, action: LookUp) -> None:
        found = await hosts_of(action.name, self._dns)
        self.act(lambda now: action.then(found, now))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _locate(self, action: Locate) -> None:
        trunk, targets, flows = action.trunk, [action.target], list[Flow]()
        if trunk and action.target == trunk.server:
            targets += trunk.backup_servers
        found = [
            (target, hop)
            for target in targets
            for hop in await locate(target, self._dns, self._transports.kinds, random.random)
        ]
        for target, hop in found:
            remote = (hop.host, hop.port)
            name = tls = ""
            if hop.transport == "tls":
                name = target.host
                if trunk and trunk.has_tls:
                    name, tls = trunk.tls.server_name or name, trunk.name
            flows.append(Flow(hop.transport, remote, self._transports.local(remote, hop.transport), name=name, tls=tls))
        self.act(lambda now: action.then(tuple(flows), now))

    def _perform(self, action: Action) -> None:
        match action:
            case Locate():
                self._spawn(self._locate(action))
            case LookUp():
                self._spawn(self._look_up(action))
            case Send():
                self._note("sent", action.data, action.flow)
                self._transports.send(action.data, action.flow, action.client)
            case Registered(registration) if registration.problem:
                log.warning("sip.not_registered", trunk=registration.trunk.name, problem=registration.problem)
            case Registered(registration):
                log.info("sip.registered", trunk=registration.trunk.name)
            case ServerChanged(trunk, server) if server.up:
                log.info("sip.server_up", trunk=trunk.name, server=str(server.flow))
            case ServerChanged(trunk, server):
                log.warning("sip.server_down", trunk=trunk.name, server=str(server.flow), problem=server.problem)
            case TrunkNotice(name, problem):
                log.warning("sip.trunk", trunk=name, problem=problem)
            case Refused():
                self.refused += 1
                log.warning("sip.message_refused", source=str(action.flow), problem=action.problem)
            case AcceptConnection(flow):
                self._transports.vouch(flow.connection)
            case Banned(ban):
                account = {"account": ban.account} if ban.account else {}
                log.warning("sip.banned", address=ban.address, **account, reason=ban.reason, seconds=BAN_SECONDS)
            case _:
                self._on_event(cast(Event, action))  # of whoever uses the core
