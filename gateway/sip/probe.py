"""One question to a trunk's server outside of any call: OPTIONS, or a REGISTER that changes nothing.

A REGISTER without a Contact asks what is registered (RFC 3261 section 10.2.3): it proves the login, and nobody who is
registered notices.

    start --servers found--> ASKING --401, 407: once more, with the login--> ASKING --any final response--> done
                                    --no answer--> the next server, or done
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.sip.dialog.dialog import head
from gateway.sip.flow import Flow
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.register.digest import Login
from gateway.sip.trunk.server_health import options_request
from gateway.sip.trunk.settings import Trunk


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it: `status` 0 where nobody answered, with why as `reason`.

    `seen` is our address as the server saw it (RFC 3581), empty where it did not say.
    """

    status: int
    reason: str
    servers: tuple[str, ...] = ()
    seen: str = ""


class Probe:
    """`then` hears once what came of it."""

    def __init__(
        self, core: CorePort, trunk: Trunk, method: Literal["OPTIONS", "REGISTER"], then: Callable[[Probed], None]
    ) -> None:
        assert trunk.server is not None
        self._core, self._trunk, self._method, self._then = core, trunk, method, then
        self._hop = trunk.proxy or trunk.server
        self._login = Login(trunk.credentials, core.token) if trunk.credentials else None
        self._us = NameAddr(Uri(trunk.server.scheme, trunk.user or core.contact_user, trunk.from_host))
        self._call_id, self._tag = core.token(), core.token()
        self._cseq = self._tries = 0
        self._left: list[Flow] = []
        self._servers: tuple[str, ...] = ()
        self._flow: Flow | None = None

    def start(self, now: float) -> None:
        self._core.locate(self._hop, self._located, self._trunk)

    def _located(self, flows: tuple[Flow, ...], now: float) -> None:
        self._core.trunks.learn(self._trunk, "probe", {flow.remote[0] for flow in flows})
        self._left, self._servers = list(flows), tuple(str(flow) for flow in flows)
        self._next(f"{self._hop.host} is nowhere to be found: the name has no address", now)

    def _next(self, problem: str, now: float) -> None:
        self._tries = 0
        if self._left:
            self._ask(self._left.pop(0), now)
        else:
            self._then(Probed(0, problem, self._servers))

    def _ask(self, flow: Flow, now: float) -> None:
        assert self._trunk.server is not None
        self._flow, self._cseq, self._tries = flow, self._cseq + 1, self._tries + 1
        if self._method == "OPTIONS":
            request = options_request(self._core, self._trunk, flow, self._call_id, self._tag, self._cseq)
        else:
            headers = head(
                flow, self._core.branch(), [f"<{self._hop}>"] if "lr" in self._hop.params else [],
                self._us.with_tag(self._tag), self._us, self._call_id, f"{self._cseq} REGISTER",
            )  # fmt: skip
            request = Request(headers, method="REGISTER", uri=Uri("sip", "", self._trunk.server.host))
            self._core.introduce(request, self._trunk)
        if self._login:
            self._login.sign(request)
        self._core.request(request, flow, self, now)

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        if request.cseq.number != self._cseq or (response and response.status < 200):
            return
        if response is None:
            self._next("nobody answers", now)
            return
        again = response.status in (401, 407) and self._tries < 3 and self._login is not None
        if again and self._flow and self._login and self._login.take(response, request):
            self._ask(self._flow, now)
            return
        seen = response.via.params.get("received") or ""
        self._then(Probed(response.status, response.reason, self._servers, seen))
