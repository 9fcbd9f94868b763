"""Realtime providers, as a client. Everything but `client` and `socket` is sans-I/O."""

from gateway.realtime.client import Client
from gateway.realtime.dialects import DIALECTS, SETTINGS, Dialect, SessionConfig
from gateway.realtime.events import (
    AudioDelta,
    Broken,
    Event,
    Lost,
    ProviderFault,
    Ready,
    Renewed,
    ResponseDone,
    Restored,
    Reverted,
    Severity,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    Transcript,
    Unreached,
)
from gateway.realtime.health import Health
from gateway.realtime.link import Choice, Provider, rehearse
from gateway.realtime.pool import Pool
from gateway.realtime.session import Heard

__all__ = [
    "DIALECTS",
    "SETTINGS",
    "AudioDelta",
    "Broken",
    "Choice",
    "Client",
    "Dialect",
    "Event",
    "Health",
    "Heard",
    "Lost",
    "Pool",
    "Provider",
    "ProviderFault",
    "Ready",
    "Renewed",
    "ResponseDone",
    "Restored",
    "Reverted",
    "SessionConfig",
    "Severity",
    "SpeechStarted",
    "SpeechStopped",
    "ToolCall",
    "Transcript",
    "Unreached",
    "rehearse",
]
