"""RTP: one socket a call, one clock a node. Everything but `clock`, `session` is sans-I/O."""

from gateway.rtp.clock import BatchTrigger, MediaClock
from gateway.rtp.ports import PortPool
from gateway.rtp.reorder import Gap
from gateway.rtp.session import MediaSettings, RtpSession, Sink, Stream, open_session
from gateway.rtp.source import Trust
from gateway.rtp.srtp import Srtp

__all__ = [
    "BatchTrigger",
    "Gap",
    "MediaClock",
    "MediaSettings",
    "PortPool",
    "RtpSession",
    "Sink",
    "Srtp",
    "Stream",
    "Trust",
    "open_session",
]
