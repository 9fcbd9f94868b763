"""What the core of SIP and those who use it know of each other: protocols alone.

The core has transactions and dialogs. Whoever has a dialog is a `DialogUsage`; whoever takes requests that belong to no
dialog yet is a `RequestHandler`, by method. So that the core knows none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.machine import Timers
from gateway.outcomes import Refusal
from gateway.sip.dialog.dialog import Dialog
from gateway.sip.flow import Address, Flow
from gateway.sip.message.message import Message, Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.transaction.client import ResponseSink
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.transaction.timers import Timing
from gateway.sip.trunk.settings import Trunk
from gateway.sip.trunk.trunks import Trunks


class DialogUsage(Protocol):
    """Who has dialogs (RFC 5057): a session."""

    @property
    def trunk(self) -> Trunk | None:
        """Whose call it is."""

    def dialogs(self) -> list[Dialog]:
        """All that requests may belong to; several while an INVITE is forked."""

    def receive(self, transaction: ServerTransaction, now: float) -> None:
        """A request within a dialog, in order. Raises SipParseError."""

    def receive_ack(self, request: Request, now: float) -> None: ...
    def receive_cancel(self, now: float) -> None:
        """Of the request that began it (section 9.2)."""

    def abandon(self, now: float) -> None:
        """End it whatever its state: its owner is gone."""


class RequestHandler(Protocol):
    """Who takes requests of one method that belong to no dialog."""

    def receive(self, transaction: ServerTransaction, flow: Flow, trunk: Trunk | None, now: float) -> None:
        """`trunk` is whose peer or user sent it; None where everybody may call. Raises SipParseError."""


Known = Callable[[Address, float, str], bool]
"""Whether a known peer is at that address; with a name, whether that user is."""


class CorePort(Protocol):
    """What the core does for its users."""

    timers: Timers[tuple[object, str]]
    timing: Timing
    trunks: Trunks
    token: Callable[[], str]
    chance: Callable[[], float]
    contact_user: str

    # sending

    def send(self, data: bytes, flow: Flow, client: object = None) -> None: ...
    def request(self, request: Request, flow: Flow, sink: ResponseSink, now: float) -> None:
        """Send a request of ours in a client transaction; `sink` gets its responses."""

    def branch(self) -> str: ...
    def own_contact(self, flow: Flow, trunk: Trunk | None = None, user: str | None = None) -> Uri:
        """Our Contact for the peer at the other end of `flow`."""

    def introduce(self, message: Message, trunk: Trunk | None = None) -> None:
        """What an INVITE and its 2xx say of what we can do (section 13.2.1)."""

    def locate(self, target: Uri, then: Callable[[tuple[Flow, ...], float], None], trunk: Trunk | None = None) -> None:
        """Have `then` called with the ways to `target`, in the order in which to try them; none if it is nowhere. Of
        connections by TLS, `trunk` says what certificates they want."""

    def look_up(self, name: str, then: Callable[[set[str], float], None]) -> None:
        """Have `then` called with all addresses that serve SIP under `name`; none if there is no such name."""

    # answering

    def finish_response(self, response: Response) -> None: ...
    def refusal(self, request: Request, status: int, **headers: str) -> Response: ...
    def busy(self, request: Request, why: Refusal) -> Response: ...
    def not_allowed(self, request: Request) -> Response: ...
    def options(self, request: Request) -> Response: ...

    # dialogs

    def enter(self, usage: DialogUsage) -> None:
        """One more; `leave` is called once, at its end."""

    def adopt(self, dialog: Dialog, usage: DialogUsage) -> None:
        """Requests within `dialog` belong to `usage` from now on."""

    def expect_cancel(self, transaction: ServerTransaction, usage: DialogUsage) -> None:
        """A CANCEL of that request is for `usage`."""

    def find(self, dialog: tuple[str, str, str]) -> DialogUsage | None: ...
    def leave(self, usage: DialogUsage) -> None: ...
    @property
    def usages(self) -> int:
        """That have entered and not left."""

    # telling

    def emit(self, event: object) -> None: ...
    def report(self, problem: str, flow: Flow) -> None:
        """Something was refused that no call will tell of."""

    def notice(self, trunk: Trunk, about: str, problem: str) -> None:
        """What is wrong with a trunk, and again nothing: told when it changes."""
