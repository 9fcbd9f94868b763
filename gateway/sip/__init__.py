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
from gateway.sip.flow import Flow
from gateway.sip.invite.media_address import UNSPECIFIED, names_in
from gateway.sip.invite.offer import SUITES, Agreed, AudioFormat, LocalMedia, accept_answer, make_answer, make_offer
from gateway.sip.invite.outgoing import OutgoingInvite, check_headers, check_outgoing_invite
from gateway.sip.invite.uac import InviteParameters, UacSession
from gateway.sip.invite.uas import UasSession
from gateway.sip.lookup import addresses_of
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.sdp import parse as parse_sdp
from gateway.sip.message.uri import Uri
from gateway.sip.passport import claims
from gateway.sip.pcap import capture
from gateway.sip.preview import preview
from gateway.sip.preview import read as read_numbers
from gateway.sip.probe import Probed
from gateway.sip.public_host import AUTO, STUN_SERVERS, find_public_host
from gateway.sip.register.digest import Credentials
from gateway.sip.tls import TlsSettings
from gateway.sip.trace import Traced
from gateway.sip.transaction.timers import Timing
from gateway.sip.trunk.identity import called
from gateway.sip.trunk.identity import caller as calling
from gateway.sip.trunk.numbers import NumberRules
from gateway.sip.trunk.refer_to import check_template as check_refer_to
from gateway.sip.trunk.refer_to import check_variables as check_refer_variables
from gateway.sip.trunk.refer_to import refer_to
from gateway.sip.trunk.settings import Match, Numbers, Trunk, TrunkTls
from gateway.sip.user_agent import SipSettings, UserAgent

__all__ = [
    "AUTO",
    "STUN_SERVERS",
    "SUITES",
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
    "Flow",
    "Incoming",
    "InviteParameters",
    "LocalMedia",
    "Match",
    "NameAddr",
    "NumberRules",
    "Numbers",
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
    "TrunkTls",
    "UacSession",
    "UasSession",
    "Uri",
    "UserAgent",
    "accept_answer",
    "addresses_of",
    "called",
    "calling",
    "capture",
    "check_headers",
    "check_outgoing_invite",
    "check_refer_to",
    "check_refer_variables",
    "claims",
    "find_public_host",
    "make_answer",
    "make_offer",
    "names_in",
    "parse_sdp",
    "preview",
    "read_numbers",
    "refer_to",
]
