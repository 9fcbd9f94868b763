"""What a message is recognised by, and where answers to it go (RFC 3261 sections 17.2.3, 18.2; RFC 3581; RFC 2543)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from gateway.errors import SipParseError
from gateway.sip.flow import Flow
from gateway.sip.message.message import Message, Request, Response, parse_head

COOKIE = "z9hG4bK"


_FOR_ANSWERS = re.compile(
    rb"(?:^|\r\n)((?:via|v|from|f|to|t|call-id|i|cseq)[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE
)


def salvage(data: bytes) -> Request | Response:
    """What an answer needs of a message that cannot be read: its method, and the headers that answers copy.

    Raises SipParseError where even that is not there.
    """
    line, _, rest = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0].partition(b"\r\n")
    if not line.upper().startswith(b"SIP/"):
        line = line.split(b" ", 1)[0][:100] + b" sip:invalid SIP/2.0"
    return parse_head(b"\r\n".join([line, *(found[1] for found in _FOR_ANSWERS.finditer(rest))]))


def is_behind_nat(request: Request, flow: Flow) -> bool:
    """Whether the neighbour is seen at another address than its Via says: there is a NAT in between.

    To be asked of a request as it came, or with what `note_source` has added. A port counts only where the neighbour
    takes answers at the one that it sent from (rport, RFC 3581).
    """
    via = request.via
    try:
        said = ipaddress.ip_address(via.host)
    except ValueError:  # a name says nothing
        return False
    if said != ipaddress.ip_address(flow.remote[0]):
        return True
    return flow.transport == "udp" and "rport" in via.params and (via.port or 5060) != flow.remote[1]


def is_alone(message: Message) -> bool:
    """The neighbour is the user agent itself: there is no proxy between."""
    return len(message.headers.all("Via")) == 1 and not message.headers.all("Record-Route")


def is_private(host: str) -> bool:
    """An address that only a network of its own knows (RFC 1918, RFC 6598, RFC 4193 and the like)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address in _SHARED


_SHARED = ipaddress.ip_network("100.64.0.0/10")


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
