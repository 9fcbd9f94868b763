"""A dialog: who talks with whom, over which route, and which request comes next (RFC 3261 section 12)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote as percent_encode

from gateway.sip.flow import Flow
from gateway.sip.message.grammar import format_host
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Headers, Request, Response
from gateway.sip.message.uri import Uri


def head(
    flow: Flow, branch: str, routes: list[str], local: NameAddr, remote: NameAddr, call_id: str, cseq: str
) -> Headers:
    """The headers that every request begins with (section 8.1.1)."""
    host, port = flow.local
    headers = Headers()
    headers.add("Via", f"SIP/2.0/{flow.transport.upper()} {format_host(host)}:{port};branch={branch};rport")
    headers.add("Max-Forwards", 70)
    for route in routes:
        headers.add("Route", route)
    headers.add("From", local)
    headers.add("To", remote)
    headers.add("Call-ID", call_id)
    headers.add("CSeq", cseq)
    return headers


@dataclass(slots=True)
class Dialog:
    """State of section 12.1. `local` and `remote` carry their tags; `route_set`: header values, first hop first."""

    call_id: str
    local: NameAddr
    remote: NameAddr
    remote_target: Uri
    route_set: list[str]
    local_seq: int
    remote_seq: int
    contact: Uri
    flow: Flow
    by_flow: bool = False  # the neighbour is reached by the way that it came, not at the address that it names
    moved: bool = False  # its requests come from elsewhere than before, which was told

    @classmethod
    def of_server(cls, request: Request, local_tag: str, contact: Uri, flow: Flow, by_flow: bool = False) -> Dialog:
        """The callee's side, made from a request (section 12.1.1). Raises SipParseError where Contact is malformed."""
        peer = request.contact
        return cls(
            call_id=request.call_id,
            local=request.to.with_tag(local_tag),
            remote=request.from_,
            remote_target=peer.uri if peer else request.from_.uri,
            route_set=request.headers.all("Record-Route"),
            local_seq=0,
            remote_seq=request.cseq.number,
            contact=contact,
            flow=flow,
            by_flow=by_flow,
        )

    @classmethod
    def of_client(cls, request: Request, response: Response, contact: Uri, flow: Flow, by_flow: bool = False) -> Dialog:
        """The caller's side, made by a response with a tag (section 12.1.2). Raises SipParseError."""
        peer = response.contact
        return cls(
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            remote_target=peer.uri if peer and peer.uri.is_sip else request.uri,
            route_set=response.headers.all("Record-Route")[::-1],
            local_seq=request.cseq.number,
            remote_seq=-1,
            contact=contact,
            flow=flow,
            by_flow=by_flow,
        )

    @property
    def id(self) -> tuple[str, str, str]:
        return self.call_id, self.local.tag, self.remote.tag

    def moved_to(self, flow: Flow) -> None:
        """A request of the peer's came by `flow`, maybe another than before: a NAT forgets, a connection is renewed."""
        if self.by_flow and flow.transport == self.flow.transport:
            self.flow = replace(flow, local=self.flow.local, tls=self.flow.tls)

    def retarget(self, message: Request | Response) -> None:
        """The peer's Contact, where it has one that can be called (section 12.2)."""
        if (contact := message.contact) and contact.uri.is_sip:
            self.remote_target = contact.uri

    def request(self, method: str, branch: str, number: int | None = None) -> tuple[Request, Flow]:
        """The next request of this dialog and where it goes first (section 12.2.1.1).

        `number` is the CSeq of the INVITE that an ACK belongs to.
        """
        if number is None:
            self.local_seq += 1
            number = self.local_seq
        target, routes = self.remote_target.without_headers(), list(self.route_set)
        next_hop = target
        if routes:
            first = NameAddr.parse(routes[0]).uri
            next_hop = first
            if "lr" not in first.params:  # a strict router: it becomes the Request-URI, the target goes last
                routes = [*routes[1:], f"<{target}>"]
                target = first.without_headers()
        flow = self._flow_to(next_hop)
        headers = head(flow, branch, routes, self.local, self.remote, self.call_id, f"{number} {method}")
        headers.add("Contact", f"<{self.contact}>")
        return Request(headers, method=method, uri=target), flow

    def as_replaces(self, target: Uri) -> Uri:
        """`target` with the header by which a call to it takes our place in this dialog (RFC 3891 section 6.1)."""
        value = f"{self.call_id};to-tag={self.remote.tag};from-tag={self.local.tag}"
        return replace(target, headers=f"Replaces={percent_encode(value, safe='')}")

    def again(self, request: Request, branch: str) -> tuple[Request, Flow]:
        """The same request as a new one, because the peer wants more than the first time, such as credentials."""
        renewed, flow = self.request(request.method, branch)
        present = {name.lower() for name, _ in renewed.headers}
        for name, value in request.headers:
            if name.lower() not in present:
                renewed.headers.add(name, value)
        renewed.body = request.body
        return renewed, flow

    def _flow_to(self, hop: Uri) -> Flow:
        """By the transport that the URI names, else by the dialog's own; over the same connection to the same peer."""
        if self.by_flow:
            return self.flow
        transport = hop.transport if "transport" in hop.params or hop.scheme == "sips" else self.flow.transport
        if transport == self.flow.transport and self.flow.reliable and hop.host == self.flow.remote[0]:
            return self.flow
        return Flow(transport, (hop.host, hop.port_or_default), self.flow.local, tls=self.flow.tls)

    def follows(self, request: Request) -> bool:
        """Whether `request` is in order (section 12.2.2); if so its CSeq is taken."""
        number = request.cseq.number
        if request.method == "ACK":
            return True
        if number <= self.remote_seq:
            return False
        self.remote_seq = number
        return True
