"""What a session tells whoever owns the calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.sip.invite import Session


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new call. Its session waits for ring, answer or reject."""

    session: Session


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
    """The ACK to a re-INVITE that came without an offer: `body` answers ours."""

    session: Session
    body: bytes


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
class ReferProgress:
    """The transfer moved on, or ended when `session.referral.done`."""

    session: Session


Event = Incoming | Confirmed | Reoffered | Reanswered | Digit | Ended | ReferProgress
