"""Realtime providers, as a client. Everything but `client` and `socket` is sans-I/O."""

from gateway.realtime.conversation import (
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
from gateway.realtime.openai.client import Client
from gateway.realtime.openai.dialects import DIALECTS, SETTINGS, Dialect, SessionConfig
from gateway.realtime.openai.link import Choice, Provider, rehearse
from gateway.realtime.openai.session import Heard
from gateway.realtime.pool import Pool

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
