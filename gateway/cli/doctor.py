"""`gateway doctor`: tries what a gateway's file names, one thing after the other, and says of each what to do.

It places no call, changes nothing elsewhere, and may be run beside the gateway.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway import config
from gateway.app import scripts_of
from gateway.bridge import CallInfo, choices
from gateway.call_record import Party
from gateway.certificates import SOON_DAYS
from gateway.cli.port_holder import holder_of
from gateway.config.load import EMBEDDED, Settings
from gateway.errors import ConfigError, GatewayError, plain
from gateway.limits import needed, raise_open_files
from gateway.local import LocalProcess, LocalSettings
from gateway.realtime import Choice, Provider, rehearse
from gateway.sip import AUTO, SipSettings, Timing, Trunk, UserAgent, addresses_of, find_public_host
from gateway.store import about_server
from gateway.web import http_client

SKEW_SECONDS = 5.0
"""That clocks may differ by."""

FEW_BYTES = 1 << 30
"""Free space of a disk below which it is said."""

RTP_TRIED = 50
"""Ports of the RTP range that are looked at."""

PROBING = Timing(t1=0.1, t2=1.0)
"""A server that says nothing for 6.4 s does not answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was tried, how it is (None: something to know), and where it is not good, what to do."""

    what: str
    good: bool | None
    text: str
    fix: str = ""

    @property
    def sign(self) -> str:
        return "!" if self.good is None else "✔" if self.good else "✘"

    @property
    def color(self) -> str:
        return "yellow" if self.good is None else "green" if self.good else "red"

    @property
    def line(self) -> str:
        return f"{self.what}: {self.text}" + (f"; {self.fix}" if self.fix else "")

    def plain(self) -> dict[str, Any]:
        return asdict(self)


async def examine(path: Path, show: Callable[[Finding], None] = lambda one: None) -> list[Finding]:
    """All that is found, each shown as it comes."""
    found = []
    async for one in _findings(path):
        show(one)
        found.append(one)
    return found


async def _findings(path: Path) -> AsyncIterator[Finding]:
    try:
        settings = config.from_file(path)
    except ConfigError as error:
        for fault in (error, *error.more):
            yield Finding("file", False, str(fault))
        return
    yield Finding("file", True, f"{path} is good")
    for warning in config.warnings_of(settings):
        yield Finding("file", None, warning)
    running = await _running(settings)
    if running:
        yield Finding("gateway", True, f"one runs here: version {running['version']}")
    for part in (
        _ports(settings, bool(running)),
        _limits(settings),
        _folders(settings),
        _certificates(settings),
        _redis(settings),
        _providers(settings),
        _receivers(settings),
        _trunks(settings),
    ):
        async for one in part:
            yield one


async def _running(settings: Settings) -> dict[str, Any] | None:
    """What the gateway says that listens where this file says."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.http.host, settings.http.host)
    scheme = "https" if settings.http.tls else "http"
    with suppress(httpx.HTTPError, ValueError):
        async with http_client(2.0, verify=False) as client:
            told = (await client.get(f"{scheme}://{host}:{settings.http.port}/health")).json()
            if isinstance(told, dict) and told.get("status") == "ok" and "uptime_seconds" in told:
                return told
    return None


async def _ports(settings: Settings, running: bool) -> AsyncIterator[Finding]:
    sip, rtp = settings.sip, settings.media
    wanted = [
        ("SIP over UDP", sip.host, sip.port, SOCK_DGRAM, "sip.port"),
        ("SIP over TCP", sip.host, sip.port, SOCK_STREAM, "sip.port"),
    ]
    for host, port, _ in sip.also:
        wanted.append((f"SIP on {host}", host, port, SOCK_DGRAM, "sip.also"))
    if sip.tls:
        wanted.append(("SIP over TLS", sip.host, sip.tls.port, SOCK_STREAM, "sip.tls.port"))
    wanted.append(("HTTP", settings.http.host, settings.http.port, SOCK_STREAM, "http.port"))
    for what, host, port, kind, key in wanted:
        problem = _bind(host, port, kind)
        if not problem:
            yield Finding(what, True, f"{host}:{port} is free")
        elif running and "use" in problem:
            yield Finding(what, True, f"{host}:{port} is the running gateway's")
        else:
            holder = holder_of(port) if "use" in problem else ""
            problem += f" by {holder}" if holder else ""
            fix = (
                f"choose another {key}, or end what uses it"
                if "use" in problem
                else f"{key.partition('.')[0]}.host has to be an address of this machine"
            )
            yield Finding(what, False, f"{host}:{port}: {problem}", fix)
    ports = [port for port in range(rtp.first_port + rtp.first_port % 2, rtp.last_port, 2)]
    tried = ports[:: max(1, len(ports) // RTP_TRIED)]
    taken = [port for port in tried if _bind(rtp.host, port, SOCK_DGRAM)]
    text = f"{len(ports)} calls fit into {rtp.first_port}-{rtp.last_port}"
    if not ports:
        yield Finding(
            "RTP", False, f"{rtp.first_port}-{rtp.last_port} has no even port", "widen media.first_port..last_port"
        )
    elif len(taken) == len(tried):
        yield Finding(
            "RTP",
            False,
            f"no port of {rtp.first_port}-{rtp.last_port} can be had on {rtp.host}",
            "see media.host and who uses them",
        )
    else:
        yield Finding(
            "RTP",
            None if taken and not running else True,
            text + (f"; {len(taken)} of {len(tried)} that were tried are in use" if taken else ""),
        )


def _bind(host: str, port: int, kind: int) -> str:
    """What keeps us from listening there; empty where nothing does."""
    with closing(socket(AF_INET6 if ":" in host else AF_INET, kind)) as one:
        if kind == SOCK_STREAM:
            one.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
            if kind == SOCK_STREAM:
                one.listen()
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


async def _limits(settings: Settings) -> AsyncIterator[Finding]:
    calls = settings.sip.max_calls or 500
    have, wanted = raise_open_files(), needed(calls)
    text = f"{have} may be open; {calls} calls take {wanted}"
    yield Finding(
        "files",
        have >= wanted,
        text,
        "" if have >= wanted else "raise the hard limit (LimitNOFILE=), or lower sip.max_calls",
    )


async def _folders(settings: Settings) -> AsyncIterator[Finding]:
    places = [
        ("recordings", settings.bridge.recordings),
        ("records", settings.delivery.file and settings.delivery.file.parent),
    ]
    for what, folder in places:
        if folder is None:
            continue
        if problem := config.unwritable(folder):
            yield Finding(what, False, problem)
            continue
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        free = shutil.disk_usage(there).free
        text = f"{folder} can be written; {free / FEW_BYTES:.1f} GB are free"
        yield Finding(what, None if free < FEW_BYTES else True, text, "that is little" if free < FEW_BYTES else "")


async def _certificates(settings: Settings) -> AsyncIterator[Finding]:
    pairs = []
    if settings.sip.tls:
        pairs.append(("certificate of SIP", settings.sip.tls.certificate, settings.sip.tls.key))
    for trunk in settings.sip.trunks:
        if trunk.tls.certificate:
            pairs.append((f"certificate of the trunk {trunk.name}", trunk.tls.certificate, trunk.tls.key))
    if settings.http.tls:
        pairs.append(("certificate of HTTP", str(settings.http.tls.certificate), str(settings.http.tls.key)))
    for what, certificate, key in pairs:
        yield _certificate(what, certificate, key)


def _certificate(what: str, certificate: str, key: str) -> Finding:
    from cryptography import x509

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        read = x509.load_pem_x509_certificates(Path(certificate).read_bytes())[0]
    except (OSError, ValueError) as error:
        return Finding(what, False, f"{certificate} and {key} do not go together: {plain(error)}")
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        called = ", ".join(str(name.value) for name in names)
    except x509.ExtensionNotFound:
        called = read.subject.rfc4514_string()
    now = datetime.now(UTC)
    left = (read.not_valid_after_utc - now).days
    if read.not_valid_before_utc > now:
        return Finding(
            what, False, f"begins on {read.not_valid_before_utc:%Y-%m-%d} only", "is this machine's clock right?"
        )
    if left < 0:
        return Finding(what, False, f"ended on {read.not_valid_after_utc:%Y-%m-%d}", "renew it, then SIGHUP")
    text = f"for {called}, for {left} more days"
    return Finding(what, None if left < SOON_DAYS else True, text, "renew it, then SIGHUP" if left < SOON_DAYS else "")


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    url = settings.store.url
    if not url:
        yield Finding(
            "Redis",
            None,
            "an embedded one, which ends with the gateway: records are lost, and nodes are alone",
            "set redis.url",
        )
        return
    try:
        told = await about_server(url)
    except GatewayError as error:
        yield Finding("Redis", False, str(error), "start it, or correct redis.url")
        return
    version = tuple(int(part) for part in told.version.split(".")[:2])
    good = version >= (6, 2)
    yield Finding(
        "Redis",
        good,
        f"version {told.version} at {told.url}, answers in {told.ms:.1f} ms",
        "" if good else "6.2 or newer is needed",
    )
    yield _clock("clock, by Redis", told.clock - time.time())


def _clock(what: str, skew: float) -> Finding:
    if abs(skew) <= SKEW_SECONDS:
        return Finding(what, True, f"differs by {abs(skew):.1f} s")
    return Finding(
        what,
        False,
        f"this machine is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead'}",
        "set the clock: TLS, tokens and leases depend on it",
    )


async def _providers(settings: Settings) -> AsyncIterator[Finding]:
    """A session for each agent and provider, as its first call would open it."""
    async with AsyncExitStack() as stack:
        providers = dict(settings.providers)
        if settings.embedded:
            try:
                local = LocalSettings(scripts=scripts_of(settings.agents, settings.chat_keys))
                providers[EMBEDDED] = Provider(EMBEDDED, await stack.enter_async_context(LocalProcess(local)))
            except ConfigError as error:
                yield Finding("provider local", False, str(error))
                return
        asked = set[tuple[str, str, str]]()
        nobody = Party("sip:nobody@invalid")
        facts = CallInfo("call_doctor", "", nobody, nobody, "invalid", "invalid", {})
        for agent in settings.agents.values():
            for choice in choices(agent, facts, "audio/pcm", providers):
                same = choice.provider.name, choice.config.model, choice.config.voice
                if same not in asked:
                    asked.add(same)
                    yield await _session(choice, agent.name)
        for name in settings.providers:
            if not any(name == one for one, _, _ in asked):
                yield Finding(f"provider {name}", None, "no agent speaks through it")
        hosts = {urlsplit(one.url).hostname for one in settings.providers.values() if urlsplit(one.url).scheme == "wss"}
        for host in sorted(filter(None, hosts)):
            if (skew := await _skew(host)) is not None:
                yield _clock(f"clock, by {host}", skew)


async def _session(choice: Choice, agent: str) -> Finding:
    what = f"provider {choice.provider.name}, as {agent} asks it"
    model = f" with {choice.config.model}" if choice.config.model else ""
    try:
        seconds = await rehearse(choice, choice.provider.connect_seconds)
    except GatewayError as error:
        text = str(error)
        late = "is this machine's clock right?" if "not yet valid" in text or "has expired" in text else ""
        return Finding(what, False, text, late)
    return Finding(what, True, f"a session{model} is ready in {seconds * 1000:.0f} ms")


async def _skew(host: str) -> float | None:
    """How far our clock is behind that of a host, in s, by its HTTP Date."""
    with suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
        async with http_client(3.0) as client:
            answer = await client.head(f"https://{host}/")
            return parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
    return None


async def _receivers(settings: Settings) -> AsyncIterator[Finding]:
    """Whether somebody listens where webhooks, records and tools of MCP go; nothing is sent."""
    wanted = settings.delivery
    urls = [(f"webhook {hook.name}", hook.url) for hook in wanted.webhooks]
    urls += [("records in PostgreSQL", wanted.postgres)] if wanted.postgres else []
    urls += [("traces", wanted.otlp)] if wanted.otlp else []
    urls += [(f"mcp {row.name}", row.url) for row in settings.mcp if row.url]
    for what, url in urls:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 5432)
        shown = f"{parts.hostname}:{port}"
        try:
            async with asyncio.timeout(5.0):
                _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
        except (OSError, TimeoutError) as error:
            problem = "no answer within 5 s" if isinstance(error, TimeoutError) else plain(error)
            yield Finding(what, False, f"{shown} cannot be reached: {problem}")
        else:
            yield Finding(what, True, f"{shown} can be reached")
    for row in settings.mcp:
        if row.command:
            there = shutil.which(row.command[0])
            yield Finding(f"mcp {row.name}", there is not None, there or f"there is no program {row.command[0]}")


async def _trunks(settings: Settings) -> AsyncIterator[Finding]:
    for trunk in settings.sip.trunks:
        if trunk.receives:
            counts = ((trunk.peers, "networks"), (trunk.peer_names, "names"), (trunk.users, "users"))
            who = [f"{len(found)} {kind}" for found, kind in counts if found]
            yield Finding(f"trunk {trunk.name}", True, f"{' and '.join(who)} may call by it")
        for name in trunk.peer_names:
            yield await _peer_name(trunk, name, settings.sip)
    asked = tuple(
        replace(one, register_seconds=0, options_ping_seconds=0.0, peer_names=())
        for one in settings.sip.trunks
        if one.server
    )
    public, finding = await _public_host(settings.sip)
    if finding:
        yield finding
    if not asked or (finding and not finding.good):
        return
    quiet: SipSettings = replace(
        settings.sip,
        port=0,
        public_host=public,
        media_public_host="",
        also=(),
        tls=settings.sip.tls and replace(settings.sip.tls, port=0),
        trunks=asked,
        timing=PROBING,
        trace=False,
    )
    agent = UserAgent(quiet, lambda event: None)
    try:
        await agent.listen()
    except GatewayError as error:
        yield Finding("trunks", False, str(error))
        return
    seen = dict[str, str]()
    try:
        for trunk in asked:
            wants = next(one for one in settings.sip.trunks if one.name == trunk.name).register_seconds
            async for one in _trunk(agent, trunk, bool(wants), seen):
                yield one
    finally:
        await agent.close()
    told = public or settings.sip.host
    seen = {name: address for name, address in seen.items() if not ip_address(address).is_loopback}
    if not seen:
        yield Finding("public address", None, "cannot be known from here: no trunk's server says how it sees us")
    for name, address in seen.items():
        fits = told == address or (told in ("0.0.0.0", "::") and not public and _is_ours(address))
        fix = "" if fits else f"set sip.public_host: {address}"
        inside = ip_address(address).is_private and not fits  # a trunk of one's own network says nothing of the others
        yield Finding(
            "public address", None if inside else fits, f"the trunk {name} sees us at {address}, and we say {told}", fix
        )


async def _public_host(sip: SipSettings) -> tuple[str, Finding | None]:
    """What peers are told, and where that was asked for, how it went."""
    if AUTO not in (sip.public_host, sip.media_public_host):
        return sip.public_host, None
    try:
        found = await find_public_host(sip.stun_servers, sip.host, sip.nameservers)
    except ConfigError as error:
        return "", Finding("public address", False, error.problem)
    return found, Finding("public address", True, f"a STUN server sees us at {found}")


async def _peer_name(trunk: Trunk, name: str, sip: SipSettings) -> Finding:
    found = await addresses_of(name, sip.nameservers)
    if not found:
        return Finding(f"trunk {trunk.name}", False, f"its peer {name} is not found in DNS", "correct its peers")
    return Finding(f"trunk {trunk.name}", True, f"its peer {name} is {', '.join(sorted(found))}")


async def _trunk(agent: UserAgent, trunk: Trunk, registers: bool, seen: dict[str, str]) -> AsyncIterator[Finding]:
    what = f"trunk {trunk.name}"
    alive = await agent.probe(trunk, "OPTIONS")
    if alive.seen:
        seen[trunk.name] = alive.seen
    where = ", ".join(alive.servers)
    if not alive.status:
        fix = (
            "correct its server"
            if not alive.servers
            else trunk.hint("OPTIONS", 0) or "see the firewall, and whether the carrier knows this address"
        )
        yield Finding(what, False, f"{where}: {alive.reason}" if where else alive.reason, fix)
        return
    text, hint = f"{where} answers OPTIONS with {alive.status} {alive.reason}", trunk.hint("OPTIONS", alive.status)
    yield Finding(what, None if hint else True, text, hint)
    if not registers:
        return
    asked = await agent.probe(trunk, "REGISTER")
    if 200 <= asked.status < 300:
        yield Finding(what, True, "the registrar takes the login")
    elif asked.status in (401, 403, 407):
        fix = trunk.hint("REGISTER", asked.status) or "correct login.username and its password"
        yield Finding(what, False, f"the registrar says {asked.status} {asked.reason}", fix)
    else:
        said = f"the registrar says {asked.status or ''} {asked.reason}".replace("  ", " ")
        yield Finding(what, False, said, trunk.hint("REGISTER", asked.status))


def _is_ours(address: str) -> bool:
    return not _bind(address, 0, SOCK_DGRAM)
