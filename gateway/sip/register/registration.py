"""A registration of ours with a trunk's registrar: kept up, and sought again when it is lost (RFC 3261 section 10.2).

WAITING --servers found--> ASKING --2xx--> REGISTERED --before it expires--> ASKING ...
   ^----------------------- refused by all, or no answer: after a while ------/
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.errors import SipParseError
from gateway.sip.dialog.dialog import head
from gateway.sip.flow import Flow
from gateway.sip.message.grammar import parse_int, unquote
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.register.digest import Login
from gateway.sip.trunk.settings import Trunk

FIRST_RETRY, LAST_RETRY = 5.0, 300.0
"""Seconds after a failure, doubled each time up to the last."""
PING_SECONDS = 25.0
"""Between empty lines that keep a NAT open (RFC 5626 section 4.4)."""


class State(enum.Enum):
    WAITING = "waiting"
    ASKING = "asking"
    REGISTERED = "registered"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Registered:
    """A trunk is registered, or not any more: `registration.problem` says why."""

    registration: Registration


@dataclass(slots=True)
class Granted:
    """What the registrar's last 200 said. `until` is on the core's clock, in s.

    `binding` is our Contact as it keeps it, empty where it lists none of ours; `seen` our address as it sees it
    (RFC 3581); `service_route` the way that it wants calls of ours to take (RFC 3608); `identities` who we may be
    (RFC 7315).
    """

    server: str
    until: float
    seconds: int
    binding: str = ""
    seen: str = ""
    service_route: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()


class Registration:
    """`problem` says what keeps it from being registered, empty while it is; `granted` what it was told then."""

    def __init__(self, core: CorePort, trunk: Trunk) -> None:
        assert trunk.server is not None
        self._core, self.trunk = core, trunk
        self.state = State.WAITING
        self.problem = "not tried yet"
        self.granted: Granted | None = None
        self._login = Login(trunk.credentials, core.token) if trunk.credentials else None
        self._server, self._hop = trunk.server, trunk.proxy or trunk.server
        user = (trunk.credentials.username if trunk.credentials else trunk.user) or core.contact_user
        self._aor = NameAddr(Uri(self._server.scheme, user, trunk.from_host))
        self._call_id, self._tag = core.token(), core.token()
        self._cseq = 0
        self._seconds = trunk.register_seconds
        self._flows: list[Flow] = []
        self._flow: Flow | None = None
        self._contact: Uri | None = None
        self._retry = FIRST_RETRY
        self._tries = 0

    # verbs

    def start(self, now: float) -> None:
        self._core.locate(self._hop, self._located, self.trunk)

    def stop(self, now: float) -> None:
        """Take it back; what the registrar says to that is of no interest."""
        registered, self.state = self._flow is not None and not self.problem, State.STOPPED
        for timer in ("REFRESH", "PING"):
            self._core.timers.cancel((self, timer))
        if registered and self._flow:
            self._ask(self._flow, 0, now)

    # the REGISTER

    def _located(self, flows: tuple[Flow, ...], now: float) -> None:
        if self.state is State.STOPPED:
            return
        if flows:
            self._core.trunks.learn(self.trunk, "registrar", {flow.remote[0] for flow in flows})
        self._flows = list(flows)
        if self._flow in self._flows:  # the server that knows us comes first
            self._flows.remove(self._flow)
            self._flows.insert(0, self._flow)
        self._next(now, f"{self._hop} is nowhere to be found")

    def _next(self, now: float, problem: str) -> None:
        self._tries = 0
        if self._flows:
            self._ask(self._flows.pop(0), self._seconds, now)
        else:
            self._fail(problem, now)

    def _ask(self, flow: Flow, seconds: int, now: float) -> None:
        if self._contact is None or flow != self._flow:
            self._contact = self._core.own_contact(flow, self.trunk)
        self._flow = flow
        self._cseq += 1
        self._tries += 1
        if seconds:
            self.state = State.ASKING
        headers = head(
            flow, self._core.branch(), [f"<{self._hop}>"] if "lr" in self._hop.params else [],
            self._aor.with_tag(self._tag), self._aor, self._call_id, f"{self._cseq} REGISTER",
        )  # fmt: skip
        headers.add("Contact", f"<{self._contact}>")
        headers.add("Expires", seconds)
        self._core.introduce(request := Request(headers, method="REGISTER", uri=Uri("sip", "", self._server.host)))
        headers.set("Supported", f"{headers.get('Supported')}, path")  # a proxy may put itself in between (RFC 3327)
        if self._login:
            self._login.sign(request)
        self._core.request(request, flow, self, now)

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        if self.state is State.STOPPED or (response and response.status < 200) or request.cseq.number != self._cseq:
            return
        if response is None:
            self._next(now, "no answer")
        elif response.status < 300:
            self._accepted(request, response, now)
        elif self._flow and self._tries < 4 and self._may_ask_again(request, response):
            self._ask(self._flow, self._seconds, now)
        elif response.status in (408, 500, 503):
            self._next(now, f"{response.status} {response.reason}")
        else:
            self._fail(self.trunk.explained("REGISTER", response.status, f"{response.status} {response.reason}"), now)

    def _may_ask_again(self, request: Request, response: Response) -> bool:
        if response.status in (401, 407):
            return self._login is not None and self._login.take(response, request)
        if response.status == 423:
            wanted = _seconds(response.headers.get("Min-Expires") or "", 0)
            better, self._seconds = wanted > self._seconds, max(wanted, self._seconds)
            return better
        return False

    def _accepted(self, request: Request, response: Response, now: float) -> None:
        assert self._flow is not None
        assert self._contact is not None
        seen = self._seen_at(request, response)
        if seen and self._tries < 4 and self._contact.host != seen[0]:
            self._contact = Uri("sip", self._contact.user, seen[0], seen[1], self._contact.params)  # behind a NAT
            self._ask(self._flow, self._seconds, now)
            return
        granted, binding = self._granted(response)
        self._note(response, granted, binding, now)
        wait = granted / 2 if granted <= 60 else 0.8 * granted
        self._core.timers.set((self, "REFRESH"), now + max(5.0, wait))
        self._core.timers.set((self, "PING"), now + PING_SECONDS)
        self._retry = FIRST_RETRY
        news, self.problem, self.state = bool(self.problem), "", State.REGISTERED
        if news:
            self._core.emit(Registered(self))

    def _note(self, response: Response, seconds: int, binding: str, now: float) -> None:
        """Keep what came back. A 200 that lists others' contacts and not ours is told, for calls may go elsewhere."""
        assert self._flow is not None
        listed = response.headers.all("Contact")
        self.granted = Granted(
            server=str(self._flow),
            until=now + seconds,
            seconds=seconds,
            binding=binding,
            seen=response.via.params.get("received") or "",
            service_route=tuple(response.headers.all("Service-Route")),
            identities=tuple(response.headers.all("P-Associated-URI")),
        )
        missing = bool(listed) and not binding
        others = f"it lists {', '.join(listed)}" if missing else ""
        problem = f"the registrar says 200 without our Contact {self._contact}: calls may not come here; {others}"
        self._core.notice(self.trunk, "binding", problem if missing else "")

    def _seen_at(self, request: Request, response: Response) -> tuple[str, int] | None:
        """Our address as the registrar sees it, where that is not the one that we told (RFC 3581)."""
        via = response.via
        if self._flow is None or self._flow.reliable or "received" not in via.params or not via.params.get("rport"):
            return None
        try:
            return via.params["received"], parse_int(via.params["rport"], "rport", 65535)
        except SipParseError:
            return None

    def _granted(self, response: Response) -> tuple[int, str]:
        """Seconds, and our own contact among all that the registrar knows, which it may have written anew.

        Where none is as we told it, that of our user; with none of that either, the shortest of all is the safe one.
        """
        default = _seconds(response.headers.get("Expires") or "", self._seconds)
        exact, same_user, others = list[tuple[int, str]](), list[tuple[int, str]](), list[tuple[int, str]]()
        for value in response.headers.all("Contact"):
            try:
                contact = NameAddr.parse(value)
            except SipParseError:
                continue
            seconds = _seconds(contact.params.get("expires", ""), default)
            uri, ours, found = contact.uri, self._contact, (seconds, str(contact.uri))
            if ours and (uri.user, uri.host, uri.port) == (ours.user, ours.host, ours.port):
                exact.append(found)
            elif ours and uri.user == ours.user:
                same_user.append(found)
            else:
                others.append((seconds, ""))
        return min(exact or same_user or others or [(default, "")])

    def _fail(self, problem: str, now: float) -> None:
        news, self.problem, self.state = problem != self.problem, problem, State.WAITING
        self.granted = None
        self._core.timers.cancel((self, "PING"))
        self._core.timers.set((self, "REFRESH"), now + self._retry * (0.75 + 0.5 * self._core.chance()))
        self._retry = min(2 * self._retry, LAST_RETRY)
        if news:
            self._core.emit(Registered(self))

    def expire(self, timer: str, now: float) -> None:
        match timer:
            case "REFRESH":
                self.start(now)
            case "PING" if self._flow:
                self._core.send(b"\r\n\r\n", self._flow)
                self._core.timers.set((self, "PING"), now + PING_SECONDS)


def _seconds(text: str, default: int) -> int:
    """Of an expires parameter or header, which may stand in quotes; the default for what is no number."""
    try:
        return parse_int(unquote(text.strip()), "expires", 2**32)
    except SipParseError:
        return default
