"""REFER (RFC 3515): the 202 is only a promise, the NOTIFYs say what became of it.

`OutgoingRefer` is the side that sends it, `Followed` the side that does as it was told.
"""

from __future__ import annotations

import enum
import re
from urllib.parse import unquote as percent_decode

from gateway.errors import SipParseError
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri

_SIPFRAG = re.compile(rb"\s*SIP/2\.0 (\d{3})(?: ([^\r\n]*))?")


class State(enum.Enum):
    SENT = "sent"  # no answer to the REFER yet
    FOLLOWED = "followed"  # accepted: NOTIFYs are due
    DONE = "done"


class OutgoingRefer:
    """One transfer of one dialog. `status` is the last SIP status heard of: of the REFER, then of the call it caused.

    It is DONE with the final status of that call (200 is success), with the refusal of the REFER, or with 408 when
    neither came within the patience of whoever asked.
    """

    def __init__(self, target: str, cseq: int) -> None:
        self.target = target
        self.cseq = cseq
        self.state = State.SENT
        self.status = 0
        self.reason = ""
        self.refused = False  # the REFER itself, not the call that it asked for

    @property
    def done(self) -> bool:
        return self.state is State.DONE

    def receive_response(self, response: Response | None) -> None:
        """The answer to the REFER itself; None when none came."""
        if self.state is not State.SENT:
            return
        if response is None:
            self._finish(408, "no answer to the REFER")
        elif 200 <= response.status < 300:
            self.state = State.FOLLOWED
        elif response.status >= 300:
            self.refused = True
            self._finish(response.status, response.reason)

    def receive_notify(self, request: Request) -> bool:
        """A NOTIFY of this dialog; False when it belongs to another subscription (section 2.4.6: `id` is the CSeq)."""
        event, _, params = (request.headers.get("Event") or "").partition(";")
        if event.strip().lower() != "refer" or self.done:
            return False
        if (number := re.search(r"id=(\d+)", params)) and number[1] != str(self.cseq):
            return False
        self.state = State.FOLLOWED  # a NOTIFY may overtake the 202
        fragment = _SIPFRAG.match(request.body)
        if fragment:
            self.status = int(fragment[1])
            self.reason = (fragment[2] or b"").decode("latin-1")
        if self.status >= 200:
            self._finish(self.status, self.reason)
        elif "terminated" in (request.headers.get("Subscription-State") or "").lower():
            self._finish(487, "the peer ended the subscription without an outcome")
        return True

    def give_up(self) -> None:
        if not self.done:
            self._finish(408, "no outcome was reported in time")

    def _finish(self, status: int, reason: str) -> None:
        self.state, self.status, self.reason = State.DONE, status, reason


class IncomingRefer:
    """A REFER of the peer's that is followed: whom to call, and what to tell of it until it is over.

    `replaces` is the Replaces header for that call (RFC 3891), `first` whether the dialog has had no REFER before: only
    the subscriptions of later ones need an id (section 2.4.6). Raises SipParseError.
    """

    def __init__(self, request: Request, first: bool) -> None:
        values = request.headers.all("Refer-To")
        if len(values) != 1:
            raise SipParseError("a REFER has one Refer-To")
        uri = NameAddr.parse(values[0]).uri
        self.target = uri.without_headers()
        self.replaces = next((value for name, value in _headers_of(uri) if name == "replaces"), "")
        self.referred_by = request.headers.get("Referred-By") or ""
        self.quiet = (request.headers.get("Refer-Sub") or "").strip().lower() == "false"  # no NOTIFYs (RFC 4488)
        self._event = "refer" if first else f"refer;id={request.cseq.number}"
        self.done = False

    def accepted(self) -> dict[str, str]:
        """Headers of the 202."""
        return {"Refer-Sub": "false"} if self.quiet else {}

    def tell(self, request: Request, status: int, phrase: str) -> None:
        """Make a NOTIFY of `request`; a final status ends the subscription."""
        self.done = status >= 200
        request.headers.add("Event", self._event)
        request.headers.add("Subscription-State", "terminated;reason=noresource" if self.done else "active;expires=180")
        request.headers.add("Content-Type", "message/sipfrag;version=2.0")
        request.body = f"SIP/2.0 {status} {phrase}\r\n".encode()


def _headers_of(uri: Uri) -> list[tuple[str, str]]:
    pairs = (piece.partition("=") for piece in uri.headers.split("&") if piece)
    return [(percent_decode(name).lower(), percent_decode(value)) for name, _, value in pairs]
