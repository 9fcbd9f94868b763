"""What requests about calls say: their bodies and queries, checked field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCall(Body):
    """`to` is a number at the trunk or a SIP URI; `variables` are for the agent's texts, as {{var.NAME}}."""

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

    to: str = Field(min_length=1, max_length=200)
    attended: bool | None = None
    summary: str = Field(default="", max_length=2000)


class Switch(Body):
    on: bool = True


class Mute(Body):
    on: bool = True
    who: Literal["caller", "agent"] = "caller"


class Say(Body):
    text: str = Field(min_length=1, max_length=4000)
    interrupt: bool = False


class Inject(Body):
    text: str = Field(min_length=1, max_length=16000)
    role: Literal["system", "user", "assistant"] = "system"
    respond: bool = False


class Dtmf(Body):
    digits: str = Field(pattern=r"^[0-9*#A-Da-d]{1,40}$")


class RecordingAction(Body):
    action: Literal["start", "pause", "resume", "stop"]


class AgentUpdate(Body):
    """Another `agent`, other `settings` (as in an agent's file), or both."""

    agent: str = ""
    settings: dict[str, Any] = {}


class Filters(BaseModel):
    """Which calls; texts are compared whole, `caller` and `called` in part, times are s since the epoch."""

    model_config = ConfigDict(extra="forbid")

    state: str = ""
    agent: str = ""
    trunk: str = ""
    node: str = ""
    direction: str = ""
    outcome: str = ""
    caller: str = ""
    called: str = ""
    q: str = Field(default="", description="In the id, the caller, the called or the agent.")
    live: bool = False
    since: float = 0.0
    until: float = 0.0
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str = ""

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
        if self.live and record.get("state") == "ended":
            return False
        texts = (str(record.get(name, "")).lower() for name in ("call_id", "caller", "caller_name", "called", "agent"))
        if self.q and not any(self.q.lower() in text for text in texts):
            return False
        began = record.get("started_at") or 0.0
        return began >= self.since and (not self.until or began < self.until)


class Nothing(Body):
    """No body, or an empty one."""


COMMANDS: dict[str, type[BaseModel]] = {
    "transfer": Transfer,
    "hold": Switch,
    "mute": Mute,
    "say": Say,
    "inject": Inject,
    "update": AgentUpdate,
    "dtmf": Dtmf,
    "recording": RecordingAction,
}
"""What can be asked of a call on any node, besides hangup."""

DOCS = {
    "hangup": "End the call.",
    "transfer": "Put the caller through to somebody else; how it goes is told by the call's events.",
    "hold": "Put the caller on hold, or take them back.",
    "mute": "Let the agent not hear the caller, or the caller not hear the agent.",
    "say": "Have the agent say this.",
    "inject": "Add an item to the conversation, which the model then knows.",
    "update": "Give the call another agent, or its agent other settings.",
    "dtmf": "Press keys.",
    "recording": "Start, pause, resume or stop the recording.",
}
