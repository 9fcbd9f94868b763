"""What a trunk would be told, without telling anybody: the INVITE of a call, and the REFER of a transfer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.sip.core import Send
from gateway.sip.flow import Flow
from gateway.sip.invite.outgoing import OutgoingInvite, invitation
from gateway.sip.message.message import Request, parse
from gateway.sip.message.uri import Uri
from gateway.sip.stack import Stack
from gateway.sip.trunk.identity import called, caller
from gateway.sip.trunk.refer_to import refer_to
from gateway.sip.trunk.settings import Trunk


@dataclass(frozen=True, slots=True)
class Preview:
    """`invite` is the message as text, its SDP included; `hop` is where it goes. `refer_to` names the same number."""

    invite: str
    hop: str
    refer_to: str


def preview(invite: OutgoingInvite, offer: Callable[[Flow], bytes], host: str, port: int) -> Preview:
    """`host` and `port` are ours, as the peer would see us. Raises SipParseError, NotLoggedIn."""
    trunk = invite.trunk
    made = invitation(invite, offer, None, host)
    hop = made.hop or made.target
    flow = Flow(hop.transport, (hop.host, hop.port_or_default), (host, port))
    stack = Stack(user_agent="voice-agent-gateway")
    stack.invite(replace(made, flows=(flow,)), 0.0)
    sent = next(action for action in stack.core.actions() if isinstance(action, Send))
    number = invite.target if invite.target.lower().startswith(("sip:", "sips:", "tel:")) else f"tel:{invite.target}"
    peer = Uri("sip", "", trunk.server.host if trunk.server else hop.host)
    return Preview(sent.data.decode("utf-8", "replace"), str(hop), refer_to(number, trunk, peer, {}))


@dataclass(frozen=True, slots=True)
class Read:
    """Numbers of a call that comes, as the agent, the routes and the record see them."""

    called: str
    caller: str


def read(number: str, calling: str, trunk: Trunk) -> Read:
    """Of an INVITE that has these two wherever the trunk looks for them. Raises SipParseError."""
    lines = (
        f"INVITE sip:{number}@gateway SIP/2.0\r\nVia: SIP/2.0/UDP peer;branch=z9hG4bK1\r\n"
        f"From: <sip:{calling}@peer>;tag=1\r\nTo: <sip:{number}@gateway>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
        f"P-Called-Party-ID: <sip:{number}@gateway>\r\nDiversion: <sip:{number}@gateway>\r\n"
        f"History-Info: <sip:{number}@gateway>;index=1\r\nP-Asserted-Identity: <sip:{calling}@peer>\r\n"
        f"P-Preferred-Identity: <sip:{calling}@peer>\r\nRemote-Party-ID: <sip:{calling}@peer>\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    request = parse(lines.encode())
    assert isinstance(request, Request)
    return Read(called(request, trunk).number, caller(request, trunk).uri.number)
