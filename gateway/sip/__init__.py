"""SIP signalling. Everything but `transport` and `user_agent` is sans-I/O."""

from gateway.sip.dialog.session import Session
from gateway.sip.events import (
    Answered,
    Cause,
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
from gateway.sip.invite.media_address import UNSPECIFIED, names_in
from gateway.sip.invite.offer import Agreed, AudioFormat, LocalMedia, accept_answer, make_answer, make_offer
from gateway.sip.invite.outgoing import OutgoingInvite, check_headers, check_outgoing_invite
from gateway.sip.invite.uac import InviteParameters, UacSession
from gateway.sip.invite.uas import UasSession
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.sdp import parse as parse_sdp
from gateway.sip.message.uri import Uri
from gateway.sip.passport import claims
from gateway.sip.pcap import capture
from gateway.sip.probe import Probed
from gateway.sip.register.digest import Credentials
from gateway.sip.trace import Traced
from gateway.sip.transaction.timers import Timing
from gateway.sip.transport import TlsSettings
from gateway.sip.trunks import Trunk
from gateway.sip.user_agent import SipSettings, UserAgent

__all__ = [
    "UNSPECIFIED",
    "Agreed",
    "Answered",
    "AudioFormat",
    "Cause",
    "Confirmed",
    "Credentials",
    "Digit",
    "Ended",
    "Event",
    "Incoming",
    "InviteParameters",
    "LocalMedia",
    "NameAddr",
    "OutgoingInvite",
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
    "UacSession",
    "UasSession",
    "Uri",
    "UserAgent",
    "accept_answer",
    "capture",
    "check_headers",
    "check_outgoing_invite",
    "claims",
    "make_answer",
    "make_offer",
    "names_in",
    "parse_sdp",
]
