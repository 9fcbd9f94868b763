"""SIP signalling. Everything but `transport` and `user_agent` is sans-I/O."""

from gateway.sip.events import Confirmed, Digit, Ended, Event, Incoming, Reanswered, ReferProgress, Reoffered
from gateway.sip.invite import Session
from gateway.sip.offer import Agreed, AudioFormat, LocalMedia, accept_answer, make_answer, make_offer
from gateway.sip.sdp import parse as parse_sdp
from gateway.sip.transport import TlsSettings
from gateway.sip.trunks import Trunk
from gateway.sip.user_agent import SipSettings, UserAgent

__all__ = [
    "Agreed",
    "AudioFormat",
    "Confirmed",
    "Digit",
    "Ended",
    "Event",
    "Incoming",
    "LocalMedia",
    "Reanswered",
    "ReferProgress",
    "Reoffered",
    "Session",
    "SipSettings",
    "TlsSettings",
    "Trunk",
    "UserAgent",
    "accept_answer",
    "make_answer",
    "make_offer",
    "parse_sdp",
]
