"""Whether a trunk's servers answer: an OPTIONS to each of them now and then (RFC 3261 section 11).

    start --servers found--> ASKING --any answer but 408, 503--> up    --after a while--> start
                                    --408, 503, or none in time--> silent: calls go to the others

Which servers there are is looked up each time anew. What is found stands in `core.trunks.silent`, for those who send.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.sip.dialog.dialog import head
from gateway.sip.flow import Flow
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.trunk.settings import Trunk

ANSWER_SECONDS = 5.0
"""Longest wait for an answer: over UDP it was asked five times by then."""

AWAY = (408, 503)
"""Answers of a server, or of a proxy before it, that calls are better not sent to."""


@dataclass(slots=True)
class Server:
    """One server as it was last. `up` is None before the first answer; `ms` is how long that took."""

    flow: Flow
    up: bool | None = None
    problem: str = ""
    ms: float = 0.0
    since: float = 0.0
    asked: float = field(default=0.0, repr=False)


@dataclass(frozen=True, slots=True)
class ServerChanged:
    """A server of a trunk answers again, or not any more."""

    trunk: Trunk
    server: Server


def options_request(core: CorePort, trunk: Trunk, flow: Flow, call_id: str, tag: str, cseq: int) -> Request:
    """Outside of a dialog, as who we are at the trunk; its Contact has no user where it has a name for a host."""
    assert trunk.server is not None
    hop = trunk.proxy or trunk.server
    us = NameAddr(Uri(trunk.server.scheme, "" if trunk.contact_host else trunk.user or "gateway", trunk.from_host))
    to = Uri(trunk.server.scheme, "", trunk.to_host, None if trunk.to_domain or trunk.domain else trunk.server.port)
    headers = head(
        flow, core.branch(), [f"<{hop}>"] if "lr" in hop.params else [], us.with_tag(tag), NameAddr(to), call_id,
        f"{cseq} OPTIONS",
    )  # fmt: skip
    contact = core.own_contact(flow, trunk, "" if trunk.contact_host else None)
    headers.add("Contact", f"<{contact}>")
    headers.add("Accept", "application/sdp")
    request = Request(headers, method="OPTIONS", uri=to)
    core.introduce(request, trunk)
    return request


class ServerHealth:
    """Of one trunk with `options_ping_seconds`. `servers` by flow, as text."""

    def __init__(self, core: CorePort, trunk: Trunk) -> None:
        self._core, self.trunk = core, trunk
        self.servers: dict[str, Server] = {}
        self._call_id, self._tag = core.token(), core.token()
        self._cseq = 0
        self._asked: dict[int, str] = {}  # servers that have not answered yet, by CSeq
        self._patience = min(ANSWER_SECONDS, trunk.options_ping_seconds)
        self._stopped = False

    @property
    def down(self) -> bool:
        """None of its servers answers."""
        return bool(self.servers) and all(one.up is False for one in self.servers.values())

    # verbs

    def start(self, now: float) -> None:
        self._core.timers.set((self, "PING"), now + self.trunk.options_ping_seconds)
        assert self.trunk.server is not None
        self._core.locate(self.trunk.proxy or self.trunk.server, self._located, self.trunk)

    def stop(self, now: float) -> None:
        self._stopped = True
        for timer in ("PING", "ANSWER"):
            self._core.timers.cancel((self, timer))
        for name in list(self.servers):
            self._core.trunks.silent.pop((self.trunk.name, name), None)

    # the OPTIONS

    def _located(self, flows: tuple[Flow, ...], now: float) -> None:
        if self._stopped:
            return
        hop = self.trunk.proxy or self.trunk.server
        self._core.notice(self.trunk, "server", "" if flows else f"{hop} is nowhere to be found: no such name in DNS")
        if not flows:  # what was known stays: DNS may be away
            flows = tuple(one.flow for one in self.servers.values())
        known = {str(flow): flow for flow in flows}
        for name in self.servers.keys() - known.keys():
            del self.servers[name]
            self._core.trunks.silent.pop((self.trunk.name, name), None)
        self._asked = {}
        for name, flow in known.items():
            server = self.servers.setdefault(name, Server(flow))
            self._cseq += 1
            self._asked[self._cseq], server.asked = name, now
            request = options_request(self._core, self.trunk, flow, self._call_id, self._tag, self._cseq)
            self._core.request(request, flow, self, now)
        if known:
            self._core.timers.set((self, "ANSWER"), now + self._patience)

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        if self._stopped or (response and response.status < 200):
            return
        name = self._asked.pop(request.cseq.number, "")
        if not (server := self.servers.get(name)):
            return
        if response is None:
            self._settle(server, "cannot be reached", now)
        elif response.status in AWAY:
            self._settle(server, f"answers OPTIONS with {response.status} {response.reason}", now)
        else:
            self._settle(server, "", now)

    def expire(self, timer: str, now: float) -> None:
        if timer == "PING":
            self.start(now)
            return
        asked, self._asked = self._asked, {}
        for name in asked.values():
            self._settle(self.servers[name], f"no answer to OPTIONS within {self._patience:g} s", now)

    def _settle(self, server: Server, problem: str, now: float) -> None:
        was, server.up, server.problem = server.up, not problem, problem
        server.ms = 0.0 if problem else (now - server.asked) * 1000
        if problem:
            self._core.trunks.silent[self.trunk.name, str(server.flow)] = problem
        else:
            self._core.trunks.silent.pop((self.trunk.name, str(server.flow)), None)
        if was is not server.up:
            server.since = now
            if was is not None or problem:  # that a server is well from the start is no news
                self._core.emit(ServerChanged(self.trunk, server))
