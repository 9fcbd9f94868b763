"""What requests about calls say: their bodies and queries, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from gateway.call_record import CallState, Direction
from gateway.outcomes import Outcome

_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")


def _epoch(value: Any) -> Any:
    """A time as s since the epoch, or as ISO 8601; without an offset it is UTC."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("is neither s since the epoch nor ISO 8601, such as 2026-01-31T09:00:00Z") from None
        return max(0.0, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    return value


OneEntryId = Annotated[str, Field(pattern=r"^[0-9]{1,19}-[0-9]{1,19}$", description="Such as 1764324000000-0.")]
EntryId = Annotated[str, Field(pattern=r"^([0-9]{1,19}(-[0-9]{1,19})?)?$", description="Such as 1764324000000-0.")]
"""Of an entry of a stream in Redis: ms and a number, each below 2**64."""

_NUMBERS = {"type": "number", "minimum": 0, "maximum": 1e11}
Time = Annotated[
    float,
    BeforeValidator(_epoch),
    Field(ge=0, le=1e11, allow_inf_nan=False),
    WithJsonSchema({"anyOf": [_NUMBERS, {"type": "string", "format": "date-time"}]}),
]


class Body(BaseModel):
    """Of JSON, whose types are what they are: `true` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _like(example: dict[str, Any]) -> ConfigDict:
    """With an example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class NewCall(Body):
    """`to` is a number at the trunk or a SIP URI; `variables` are for the agent's texts, as {{var.NAME}}."""

    model_config = _like({"to": "+15551234567", "agent": "receptionist", "variables": {"name": "Ann"}})

    to: str = Field(min_length=1, max_length=200)
    agent: str
    trunk: str = ""
    caller_id: str = Field(default="", max_length=200)
    ring_seconds: float = Field(default=0.0, ge=0, le=600)
    headers: dict[str, str] = {}
    variables: dict[str, str] = {}
    anonymous: bool = False

    @field_validator("variables")
    @classmethod
    def _one_line(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if any(ord(char) < 32 or ord(char) == 127 for char in name + value):
                raise ValueError(f"{name!r} has a line end or another control character in it")
        return variables


class Transfer(Body):
    """`to` is a number, a sip: or tel: URI, or a target of the agent's by its name."""

    model_config = _like({"to": "billing", "attended": True, "summary": "Asks about the invoice of May."})

    to: str = Field(min_length=1, max_length=200)
    attended: bool | None = None
    summary: str = Field(default="", max_length=2000)


class Switch(Body):
    on: bool = True


class Mute(Body):
    on: bool = True
    who: Literal["caller", "agent"] = "caller"


class Say(Body):
    model_config = _like({"text": "One moment, please."})

    text: str = Field(default="", max_length=4000)
    prompt: str = Field(default="", max_length=64, description="One of the gateway's file instead of a text.")
    verbatim: bool = Field(default=False, description="Word for word, as sound of ours, instead of by the model.")
    interrupt: bool = False


class Inject(Body):
    model_config = _like({"text": "The caller is a customer since 2019.", "role": "system"})

    text: str = Field(min_length=1, max_length=16000)
    role: Literal["system", "user", "assistant"] = "system"
    respond: bool = False


class Dtmf(Body):
    model_config = _like({"digits": "42#"})

    digits: str = Field(pattern=r"^[0-9*#A-Da-d]{1,40}$")


class RecordingAction(Body):
    model_config = _like({"action": "start"})

    action: Literal["start", "pause", "resume", "stop"]


class AgentUpdate(Body):
    """Another `agent`, other `settings` (as in an agent's file), or both."""

    model_config = _like({"settings": {"instructions": "Speak German from now on."}})

    agent: str = ""
    settings: dict[str, Any] = {}


class Filters(BaseModel):
    """Which calls; texts are compared whole, `caller` and `called` in part, times are s since the epoch."""

    model_config = ConfigDict(extra="forbid")

    state: CallState | None = None
    agent: str = ""
    trunk: str = ""
    node: str = ""
    direction: Direction | None = None
    outcome: Outcome | None = None
    caller: str = ""
    called: str = ""
    q: str = Field(default="", description="In the id, the caller, the called or the agent.")
    live: bool = False
    since: Time = Field(default=0.0, description="s since the epoch, or ISO 8601: calls that began then or later.")
    until: Time = Field(default=0.0, description="Calls that began before that.")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str = ""

    @field_validator("state", "direction", "outcome", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        """An empty field of a form is no filter."""
        return value or None

    @property
    def where(self) -> Callable[[dict[str, Any]], bool] | None:
        """None where every call is wanted."""
        return self.likes if self.model_fields_set - {"limit", "cursor"} else None

    def likes(self, record: dict[str, Any]) -> bool:
        for name in ("state", "agent", "trunk", "node", "direction", "outcome"):
            if (wanted := getattr(self, name)) and record.get(name) != wanted:
                return False
        for name in ("caller", "called"):
            if (wanted := getattr(self, name)) and wanted not in str(record.get(name, "")):
                return False
        if self.live and record.get("state") == CallState.ENDED:
            return False
        texts = (str(record.get(name, "")).lower() for name in ("call_id", "caller", "caller_name", "called", "agent"))
        if self.q and not any(self.q.lower() in text for text in texts):
            return False
        began = record.get("started_at") or 0.0
        return began >= self.since and (not self.until or began < self.until)


class Nothing(Body):
    """No body, or an empty one."""


@dataclass(frozen=True, slots=True)
class Command:
    """What can be asked of a call on any node. `name` is the operation's in the OpenAPI document."""

    verb: str
    name: str
    body: type[Body]
    doc: str
    optional: bool = False  # it may come without a body


COMMANDS = (
    Command("hangup", "hang_up_call", Nothing, "End the call.", optional=True),
    Command("transfer", "transfer_call", Transfer,
            "Put the caller through to somebody else; how it goes is told by the call's events."),
    Command("hold", "hold_call", Switch, "Put the caller on hold, or take them back.", optional=True),
    Command("mute", "mute_call", Mute,
            "Let the agent not hear the caller, or the caller not hear the agent.", optional=True),
    Command("say", "say_in_call", Say, "Have the agent say this."),
    Command("inject", "inject_into_call", Inject, "Add an item to the conversation, which the model then knows."),
    Command("update", "update_call", AgentUpdate, "Give the call another agent, or its agent other settings."),
    Command("dtmf", "send_dtmf", Dtmf, "Press keys."),
    Command("recording", "control_recording", RecordingAction, "Start, pause, resume or stop the recording."),
)  # fmt: skip
