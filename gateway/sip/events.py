"""What a session tells whoever owns the calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.sip.message.message import Headers

if TYPE_CHECKING:
    from gateway.sip.dialog.session import Session
    from gateway.sip.invite.refer import IncomingRefer
    from gateway.sip.invite.uas import UasSession
    from gateway.sip.register.registration import Registration


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new call. Its session waits for ring, answer or reject."""

    session: UasSession


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK came; `body` is its SDP where the INVITE had none (section 13.2.1), else empty."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A re-INVITE with or without an offer, or an UPDATE with one.

    Answer it at once with `session.answer` or `session.refuse_reoffer`.
    """

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Reanswered:
    """An offer of ours in a re-INVITE, or in the 2xx to one, has its answer: `body`."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class ReofferRefused:
    """A re-INVITE of ours was refused with `status`: the session goes on as it was."""

    session: Session
    status: int


@dataclass(frozen=True, slots=True)
class Progress:
    """18x to our INVITE; `body` is the SDP of early media, or empty."""

    session: Session
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """2xx to our INVITE. `body` is its SDP; where our INVITE had none, answer it at once with `session.acknowledge`."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """Our INVITE came to nothing. `cause` is one of refused, no-answer, unreachable, cancelled.

    `status` and `phrase` are the response's, `reason` its Reason header.
    """

    session: Session
    cause: str
    status: int
    phrase: str
    reason: str = ""
    headers: Headers = field(default_factory=Headers)


@dataclass(frozen=True, slots=True)
class Digit:
    """A key by INFO: one of 0-9 * # A-D."""

    session: Session
    digit: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over. `reason` is the Reason header if there was any.

    `cause` is one of cancelled, bye, no-ack, no-prack, session-expired, transport.
    """

    session: Session
    cause: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A trunk is registered, or not any more: `registration.problem` says why."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """The transfer moved on, or ended when `session.referral.done`."""

    session: Session


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER of the peer's that its trunk lets us follow: call `followed.target`, and `session.tell_referrer`."""

    session: Session
    incoming_refer: IncomingRefer


Event = (
    Incoming
    | Confirmed
    | Progress
    | Answered
    | Rejected
    | Reoffered
    | Reanswered
    | ReofferRefused
    | Digit
    | Ended
    | ReferProgress
    | Referred
)
