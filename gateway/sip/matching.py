"""What a message is recognised by, and where answers to it go (RFC 3261 sections 17.2.3, 18.2; RFC 3581; RFC 2543)."""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import SipParseError
from gateway.sip.flow import Flow
from gateway.sip.message import Request

COOKIE = "z9hG4bK"


def repair_start_line(head: bytes) -> bytes:
    """Keep the method, replace what may be wrong behind it: only the headers matter for an error response."""
    line, separator, rest = head.partition(b"\r\n")
    method = line.split(b" ", 1)[0]
    return method + b" sip:invalid SIP/2.0" + separator + rest if not line.upper().startswith(b"SIP/") else head


def phrase(error: SipParseError) -> str:
    if error.status != 400:
        return ""
    return "Bad Request: " + "".join(char if char.isprintable() else " " for char in error.problem)[:120]


def note_source(request: Request, flow: Flow) -> Flow:
    """Write `received` and `rport` into the topmost Via (section 18.2.1, RFC 3581) and say where responses go."""
    via = request.via
    params = dict(via.params)
    host, port = flow.remote
    if via.host != host or "rport" in params:
        params["received"] = host
    if "rport" in params:
        params["rport"] = str(port)
    if params != via.params:
        request.headers.set_first("Via", replace(via, params=params))
    if flow.reliable:  # over its connection; where that is gone, over a new one to where it listens (section 18.2.2)
        return replace(flow, remote=(host, via.port or (5061 if flow.transport == "tls" else 5060)))
    return replace(flow, remote=(host, port if "rport" in params else via.port or 5060))


def server_key(request: Request) -> tuple[str, ...]:
    """Section 17.2.3; peers of RFC 2543 have no magic cookie and are matched by their headers."""
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    if via.branch.startswith(COOKIE):
        return (method, via.branch, via.sent_by.lower())
    cseq = request.cseq
    return (method, request.call_id, request.from_.tag, str(cseq.number), str(request.uri), via.sent_by, via.branch)


def merge_key(request: Request) -> tuple[str, str, str]:
    return request.call_id, request.from_.tag, str(request.cseq)
