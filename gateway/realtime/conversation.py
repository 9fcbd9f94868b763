"""Typed views of the server events that the gateway acts on (OpenAI Realtime, GA names)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ready:
    """The session has our settings: audio may flow."""

    session_id: str


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """Speech of the agent in the session's format: PCM16 at 24 kHz, little endian, or G.711. Faster than real time."""

    item_id: str
    content_index: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller talks. `at_ms` is on the clock of the audio that was appended; `item_id` is what it will become."""

    at_ms: int
    item_id: str = ""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller's turn is over."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one side said, final. `role` is user or assistant; `extra` what else is known (a voice profile)."""

    role: str
    item_id: str
    text: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a function run. `arguments` is JSON text, untrusted."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """A response ended: completed, cancelled, failed or incomplete. Says nothing about what was heard of it."""

    response_id: str
    status: str
    calls: tuple[ToolCall, ...] = ()
    problem: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    code: str = ""  # of the problem
    spoke: bool = True  # something of it was heard, or is to be done

    @property
    def failed(self) -> bool:
        return self.status in ("failed", "incomplete")


class Severity(enum.Enum):
    """What an error event means for the call."""

    BENIGN = "benign"  # an expected race
    TURN = "turn"  # this turn went wrong, the session is fine
    FATAL = "fatal"  # the session is of no further use


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """An `error` event. `about` is the type of the client event at fault, where it can be told."""

    severity: Severity
    code: str
    message: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Unreached:
    """One try to get a session from this provider came to nothing."""

    provider: str
    problem: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The session ended in mid-call, and another one is sought. Nothing said until then is lost."""

    provider: str
    problem: str


@dataclass(frozen=True, slots=True)
class Restored:
    """The conversation goes on in another session, `seconds` after the one before ended."""

    provider: str
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The same, without a break: the session before was about to end."""

    provider: str


@dataclass(frozen=True, slots=True)
class Reverted:
    """The newest settings were refused: those of `agent`, who came before, stand again."""

    agent: Any


@dataclass(frozen=True, slots=True)
class Lost:
    """No other session was to be had."""

    problem: str


Event = (
    Ready
    | AudioDelta
    | SpeechStarted
    | SpeechStopped
    | Transcript
    | ResponseDone
    | ProviderFault
    | Unreached
    | Broken
    | Restored
    | Renewed
    | Reverted
    | Lost
)

BENIGN = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_create_duplicate_item_id",
        "item_retrieve_invalid_item_id",
        "item_truncate_invalid_item_id",
        "item_delete_invalid_item_id",
        "invalid_audio_end_ms",
    }
)
FATAL = frozenset(
    {
        "session_expired",
        "insufficient_quota",
        "credit_balance_exhausted",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
        "session_limit_reached",
        "beta_api_shape_disabled",
    }
)


def severity_of(error: dict[str, Any], about: str) -> Severity:
    """By `code` or `type`, for servers have swapped the two."""
    names = {name for name in (error.get("code"), error.get("type")) if isinstance(name, str)}
    if names & FATAL:
        return Severity.FATAL
    if names & BENIGN or about in (
        "conversation.item.truncate",
        "conversation.item.delete",
        "response.cancel",
        "probe",
    ):
        return Severity.BENIGN
    return Severity.TURN
