"""Realtime providers, as a client. Everything but `client` and `socket` is sans-I/O."""

from gateway.realtime.client import Client, Provider
from gateway.realtime.dialects import DIALECTS, SessionConfig
from gateway.realtime.events import (
    AudioDelta,
    Event,
    Lost,
    ProviderFault,
    Ready,
    ResponseDone,
    Severity,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    Transcript,
)
from gateway.realtime.session import Heard

__all__ = [
    "DIALECTS",
    "AudioDelta",
    "Client",
    "Event",
    "Heard",
    "Lost",
    "Provider",
    "ProviderFault",
    "Ready",
    "ResponseDone",
    "SessionConfig",
    "Severity",
    "SpeechStarted",
    "SpeechStopped",
    "ToolCall",
    "Transcript",
]
