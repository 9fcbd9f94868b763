"""SIP signalling. Everything but `transport` and `user_agent` is sans-I/O."""

from gateway.sip.callee import Callee
from gateway.sip.caller import Caller, Invitation
from gateway.sip.digest import Credentials
from gateway.sip.events import (
    Answered,
    Confirmed,
    Digit,
    Ended,
    Event,
    Incoming,
    Progress,
    Reanswered,
    ReferProgress,
    Referred,
    Rejected,
    Reoffered,
    ReofferRefused,
)
from gateway.sip.headers import NameAddr
from gateway.sip.media_address import UNSPECIFIED, names_in
from gateway.sip.offer import Agreed, AudioFormat, LocalMedia, accept_answer, make_answer, make_offer
from gateway.sip.outgoing import Order, check_headers, check_order
from gateway.sip.passport import claims
from gateway.sip.pcap import capture
from gateway.sip.probe import Probed
from gateway.sip.sdp import parse as parse_sdp
from gateway.sip.session import Session
from gateway.sip.timers import Timing
from gateway.sip.trace import Traced
from gateway.sip.transport import TlsSettings
from gateway.sip.trunks import Trunk
from gateway.sip.uri import Uri
from gateway.sip.user_agent import SipSettings, UserAgent

__all__ = [
    "UNSPECIFIED",
    "Agreed",
    "Answered",
    "AudioFormat",
    "Callee",
    "Caller",
    "Confirmed",
    "Credentials",
    "Digit",
    "Ended",
    "Event",
    "Incoming",
    "Invitation",
    "LocalMedia",
    "NameAddr",
    "Order",
    "Probed",
    "Progress",
    "Reanswered",
    "ReferProgress",
    "Referred",
    "Rejected",
    "ReofferRefused",
    "Reoffered",
    "Session",
    "SipSettings",
    "Timing",
    "TlsSettings",
    "Traced",
    "Trunk",
    "Uri",
    "UserAgent",
    "accept_answer",
    "capture",
    "check_headers",
    "check_order",
    "claims",
    "make_answer",
    "make_offer",
    "names_in",
    "parse_sdp",
]
