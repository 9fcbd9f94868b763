"""What a session tells whoever owns the calls."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.sip.message.message import Headers

if TYPE_CHECKING:
    from gateway.sip.dialog.session import Session
    from gateway.sip.invite.refer import IncomingRefer
    from gateway.sip.invite.uas import UasSession
    from gateway.sip.register.registration import Registration


class Cause(enum.Enum):
    """Why a session ended, or never came to be."""

    BYE = "bye"
    CANCELLED = "cancelled"  # by the caller, or by us
    TRANSPORT = "transport"  # no response to a request within the dialog
    NO_ACK = "no ACK"
    NO_PRACK = "no PRACK"
    SESSION_EXPIRED = "session timer expired"
    REFUSED = "refused"  # our INVITE, by a final response
    NO_ANSWER = "no answer in time"
    UNREACHABLE = "unreachable"


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
    """Our INVITE came to nothing. `cause` is one of REFUSED, NO_ANSWER, UNREACHABLE, CANCELLED.

    `status` and `phrase` are the response's, `reason` its Reason header.
    """

    session: Session
    cause: Cause
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

    `cause` is one of BYE, CANCELLED, TRANSPORT, NO_ACK, NO_PRACK, SESSION_EXPIRED.
    """

    session: Session
    cause: Cause
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A trunk is registered, or not any more: `registration.problem` says why."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """The transfer moved on, or ended when `session.outgoing_refer.done`."""

    session: Session


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER that its trunk lets us follow: call `incoming_refer.target`, and tell how it goes by `tell_referrer`."""

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
