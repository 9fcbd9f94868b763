"""Events of the SIP side for the owner of the calls. Each is defined in the file that emits it."""

from __future__ import annotations

from gateway.sip.dialog.session import (
    Cause,
    Confirmed,
    Digit,
    Ended,
    Reanswered,
    ReferProgress,
    Referred,
    Reoffered,
    ReofferRefused,
)
from gateway.sip.invite.uac import Answered, Progress, Rejected
from gateway.sip.invite.uas import Incoming
from gateway.sip.register.registration import Registered

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

__all__ = [
    "Answered",
    "Cause",
    "Confirmed",
    "Digit",
    "Ended",
    "Event",
    "Incoming",
    "Progress",
    "Reanswered",
    "ReferProgress",
    "Referred",
    "Registered",
    "Rejected",
    "ReofferRefused",
    "Reoffered",
]
