"""What the API answers with: made by these models, and described by them in its OpenAPI document.

Times are s since the epoch (`at`, `x_at`), with the same time as ISO 8601 in UTC beside them (`time`, `x_time`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.records import OUTCOMES, ROLES, CallState, iso, timed

Epoch = Annotated[float, Field(description="s since the epoch")]
Iso = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="the same as ISO 8601, in UTC")]
if TYPE_CHECKING:
    Outcome = str
    Role = str
else:
    Outcome, Role = Literal[OUTCOMES], Literal[ROLES]
Direction = Literal["inbound", "outbound"]


class Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", serialize_by_alias=True)

    def respond(self, status: int = 200) -> Response:
        """As JSON, by pydantic's own writer: FastAPI's way takes several times as long, and the loop is the media's."""
        return Response(self.model_dump_json().encode(), status, media_type="application/json")


class FieldProblem(Answer):
    field: str
    problem: str


class Problem(Answer):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [
        {"type": "about:blank", "title": "Conflict", "status": 409, "state": "ended",
         "call_id": "call_1f2e3d4c5b6a7980",
         "detail": "the call call_1f2e3d4c5b6a7980 is ended: it cannot be told to hold"}]})  # fmt: skip

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What went wrong, in one sentence.")
    errors: list[FieldProblem] = Field(default=[], description="By field, where fields are wrong.")
    state: str = Field(default="", description="Of the call, where it cannot do what was asked for.")
    call_id: str = ""
    request_id: str = ""


class Words(Answer):
    """What one side said. The caller's words come when they have been spoken: `began_at` is when they were begun."""

    role: Literal["user", "assistant"]
    text: str
    at: Epoch
    time: Iso
    began_at: Epoch | None = None
    began_time: Iso | None = None


class Event(Answer):
    """One thing that happened in a call; `data` has what belongs to its type."""

    id: str = Field(description="Of the entry: what `after` and Last-Event-ID take.")
    type: str
    at: Epoch
    time: Iso
    data: dict[str, Any]


class Record(Answer):
    """All that is known of a call, but for its events."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": [
        {"call_id": "call_1f2e3d4c5b6a7980", "direction": "inbound", "state": "answered", "agent": "receptionist",
         "caller": "sip:+15550100@192.0.2.7", "called": "sip:reception@198.51.100.9", "trunk": "carrier",
         "started_at": 1764324000.0, "started_time": "2025-11-28T10:00:00.000Z"}]})  # fmt: skip

    call_id: str
    sip_call_id: str = ""
    direction: Direction = "inbound"
    state: CallState
    node: str = ""
    trunk: str = ""
    caller: str = ""
    caller_name: str = ""
    called: str = ""
    agent: str = ""
    provider: str = ""
    variant: str = Field(default="", description="Of the agent, where it has several.")
    attestation: str = Field(default="", description="What a STIR/SHAKEN token claims; not verified.")
    held_by: list[Literal["gateway", "transfer", "caller"]] = []
    muted: list[Literal["caller", "agent"]] = []
    recording: Literal["off", "announcing", "on", "paused"] = "off"
    started_at: Epoch = 0.0
    started_time: Iso | None = None
    answered_at: Epoch | None = None
    answered_time: Iso | None = None
    ended_at: Epoch | None = None
    ended_time: Iso | None = None
    outcome: str = Field(default="", description="How it ended: one of the outcomes that `outcome` filters by.")
    stages: dict[str, float] = Field(default={}, description="session, answered, first_audio: ms from the beginning.")
    answer_ms: list[int] = Field(default=[], description="From the end of each turn of the caller's to the answer.")
    interruptions: int = 0
    blocked_ms: int = Field(default=0, description="That tools of this call kept the whole node from its work.")
    echoes: int = Field(default=0, description="Times that the provider took the agent's own words for the caller's.")
    underruns: int = Field(default=0, description="Times that the provider left the caller in mid-sentence.")
    tool_calls: int = 0
    provider_faults: int = 0
    disposition: str = ""
    reconnects: int = 0
    providers: list[str] = []
    usage: dict[str, int] = {}
    latest: Words | None = Field(default=None, description="What was said last.")
    media: dict[str, Any] = Field(default={}, description="How the line was, once the call has ended.")
    cost: float | None = Field(default=None, description="In the currency of the provider's prices.")


class CallDetail(Record):
    """A call with its events, and in `transcript` what was said."""

    events: list[Event] = []
    transcript: list[Words] = []


class CallList(Answer):
    object: Literal["list"] = "list"
    data: list[Record]
    next: str = Field(default="", description="The cursor of those that follow; empty: none do.")


class EventList(Answer):
    object: Literal["list"] = "list"
    data: list[Event]
    next: str = Field(default="", description="What `after` takes for those that follow.")


class Placed(Answer):
    call_id: str
    node: str


class Commanded(Answer):
    """The call as it is after a command."""

    call_id: str
    state: CallState
    agent: str = ""


class SipMessage(Answer):
    at: Epoch
    time: Iso
    what: Literal["sent", "received"]
    peer: str = Field(description="transport:address:port, as udp:192.0.2.7:5060")
    local: str = Field(default="", description="address:port of this side")
    message: str = Field(description="Without credentials and keys.")


class SipMessages(Answer):
    object: Literal["list"] = "list"
    data: list[SipMessage]


class Levels(Answer):
    """How loud both voices were, from the answer on."""

    samples_a_second: int
    floor: int = Field(description="Silence, in dBm0.")
    caller: list[int] = Field(description="dBm0")
    agent: list[int] = Field(description="dBm0")


class Node(Answer):
    id: str
    name: str = ""
    version: str = ""
    started_at: Epoch = 0.0
    started_time: Iso | None = None
    sip: str = ""
    http: str = ""
    calls: int = 0
    draining: bool = False
    problems: list[str] = Field(default=[], description="Why no calls should be sent there now.")
    warnings: list[str] = Field(default=[], description="What somebody should look at, and calls come through anyway.")
    agents: dict[str, int] = {}
    trunks: dict[str, int] = {}
    registrations: dict[str, str] = Field(default={}, description="Of trunks: what is wrong, empty where nothing is.")


class NodeList(Answer):
    object: Literal["list"] = "list"
    data: list[Node]
    me: str


class Drained(Answer):
    draining: bool
    calls: int


class AgentInfo(Answer):
    name: str
    provider: str
    model: str = ""
    voice: str = ""
    tools: list[str] = []
    transfer_targets: list[str] = []
    called: list[str] = []
    calls: int = 0
    max_calls: int = 0


class AgentList(Answer):
    object: Literal["list"] = "list"
    data: list[AgentInfo]


class TrunkInfo(Answer):
    name: str
    calls: int = 0
    max_calls: int = 0
    registered: bool | None = Field(default=None, description="null: no registration is asked for.")
    problem: str = ""


class TrunkList(Answer):
    object: Literal["list"] = "list"
    data: list[TrunkInfo]


class Ban(Answer):
    node: str
    address: str
    account: str = ""
    reason: str = ""
    seconds: int = Field(description="That are left.")


class BanList(Answer):
    object: Literal["list"] = "list"
    data: list[Ban]


class LiftedBan(Answer):
    address: str
    account: str = ""
    lifted: int


class KeyInfo(Answer):
    id: str
    name: str
    role: Role
    created_at: Epoch
    created_time: Iso


class KeyList(Answer):
    object: Literal["list"] = "list"
    data: list[KeyInfo]


class MadeKey(Answer):
    id: str
    name: str
    role: Role
    key: str = Field(description="Shown this once.")


class RemovedKey(Answer):
    id: str
    removed: bool = True


class AuditEntry(Answer):
    id: str
    at: Epoch
    time: Iso
    key: str = ""
    who: str = ""
    remote: str = ""
    method: str
    path: str
    status: int
    request_id: str = ""


class AuditList(Answer):
    object: Literal["list"] = "list"
    data: list[AuditEntry]
    next: str = Field(default="", description="What `before` takes for those before them.")


class Outbox(Answer):
    waiting: int
    dead: int


class DeadLetter(Answer):
    id: str
    receiver: str = Field(validation_alias="for", serialization_alias="for")
    call_id: str = ""
    body: str = ""
    problem: str = ""


class DeadList(Answer):
    object: Literal["list"] = "list"
    data: list[DeadLetter]
    next: str = ""


class Retried(Answer):
    retried: int


class WebhookInfo(Answer):
    name: str
    url: str
    signed: bool
    events: list[str]


class WebhookList(Answer):
    object: Literal["list"] = "list"
    data: list[WebhookInfo]


class WebhookTest(Answer):
    """What a receiver made of a test event."""

    name: str
    url: str
    delivered: bool
    problem: str = ""
    ms: int


class WebhookTests(Answer):
    object: Literal["list"] = "list"
    data: list[WebhookTest]


class Erased(Answer):
    """Whose records are gone. Recordings and lines on other nodes' disks go within seconds, or when a node is back."""

    erased: list[str] = Field(description="Ids of calls.")
    live: list[str] = Field(default=[], description="Ids of calls in progress, which stay.")
    failed: dict[str, str] = Field(default={}, description="Nodes that could not do their part, and why: ask again.")


class Me(Answer):
    """Who asks."""

    id: str
    name: str
    role: Role


class Health(Answer):
    status: Literal["ok"] = "ok"
    version: str
    uptime_seconds: float


class Ready(Answer):
    ready: bool
    problems: list[str] = []
    warnings: list[str] = []
    calls: int


class WebhookCall(Answer):
    """What the data of every webhook about a call has, beside what is said of the event itself."""

    model_config = ConfigDict(extra="allow")

    call_id: str
    call: Record


class Ringing(WebhookCall):
    agent: str = ""
    status: int = Field(default=0, description="Of the provisional response, in calls of ours.")


class Answered(WebhookCall):
    pass


class Transferred(WebhookCall):
    target: str = Field(default="", description="The target's name, where the two were joined here.")
    outcome: str = ""


class Transcribed(WebhookCall):
    role: Literal["user", "assistant"]
    text: str
    item_id: str = ""
    began_at: Epoch | None = None


class ToolRan(WebhookCall):
    name: str
    output: str
    tool_call_id: str = ""


class RecordingReady(WebhookCall):
    file: str
    seconds: float


class CallEnded(WebhookCall):
    outcome: str
    status: int = 0
    problem: str = ""
    reason: str = ""


class RecordErased(Answer):
    call_id: str


class Tested(Answer):
    """Nothing has happened: somebody wants to know whether webhooks arrive."""

    name: str


WEBHOOKS: dict[str, type[BaseModel]] = {
    "call.ringing": Ringing,
    "call.answered": Answered,
    "call.transferred": Transferred,
    "call.transcript": Transcribed,
    "call.tool": ToolRan,
    "call.recording.ready": RecordingReady,
    "call.ended": CallEnded,
    "record.erased": RecordErased,
    "webhook.test": Tested,
}
"""What the `data` of each kind is."""


def record_of(record: dict[str, Any]) -> dict[str, Any]:
    """A stored record with its times for people, by hand: lists are asked for often. No `latest`: nothing was said."""
    found = dict(record)
    for name in ("started", "answered", "ended"):
        at = record.get(f"{name}_at")
        found[f"{name}_time"] = iso(at) if at is not None else None
    for name in ("latest", "events", "transcript"):
        if name in record:
            found[name] = timed(record[name]) or ([] if name != "latest" else None)
    return found
