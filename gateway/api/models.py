"""What the API answers with: made by these models, and described by them in its OpenAPI document.

Times are s since the epoch (`at`, `x_at`), with the same time as ISO 8601 in UTC beside them (`time`, `x_time`).
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from gateway.call_record import CallRecord, CallState, Epoch, Latest, iso, timed
from gateway.delivery.webhooks import WEBHOOKS_OF_EVENTS
from gateway.events import EVENTS, EventData
from gateway.store.access import ROLES

Iso = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="the same as ISO 8601, in UTC")]
if TYPE_CHECKING:
    Role = str
else:
    Role = Literal[ROLES]


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


class Words(Latest, Answer):
    """What one side said. The caller's words come when they have been spoken: `began_at` is when they were begun."""

    time: Iso
    began_at: Epoch | None = None
    began_time: Iso | None = None


class Event(Answer):
    """One thing that happened in a call; `data` has what belongs to its type."""

    id: str = Field(description="Of the entry: what `after` and Last-Event-ID take.")
    type: str = Field(description=f"One of {', '.join(EVENTS)}.")
    at: Epoch
    time: Iso
    data: dict[str, Any] = Field(description="What belongs to the type: `components.schemas` has it by its name.")


class Record(CallRecord, Answer):
    """All that is known of a call, but for its events."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"call_id": "call_1f2e3d4c5b6a7980", "direction": "inbound", "state": "answered", "agent": "receptionist",
         "caller": "sip:+15550100@192.0.2.7", "called": "sip:reception@198.51.100.9", "trunk": "carrier",
         "started_at": 1764324000.0, "started_time": "2025-11-28T10:00:00.000Z"}]})  # fmt: skip

    started_time: Iso | None = None
    answered_time: Iso | None = None
    ended_time: Iso | None = None
    latest: Words | None = Field(default=None, description="What was said last.")


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


class TrunkServer(BaseModel):
    server: str
    up: bool | None = Field(default=None, description="null: it has not been asked yet.")
    problem: str = ""
    ms: float = Field(default=0.0, description="How long its last answer took.")


class TrunkRegistration(BaseModel):
    problem: str = Field(default="", description="Empty while it is registered.")
    server: str = ""
    contact: str = Field(default="", description="Our Contact as the registrar keeps it; empty: it lists none of ours.")
    seconds: int = Field(default=0, description="For which it was granted.")
    seconds_left: int = 0
    seen: str = Field(default="", description="Our address as the registrar sees it.")
    service_route: list[str] = []
    identities: list[str] = Field(default=[], description="P-Associated-URI: who we may be.")


class TrunkState(BaseModel):
    """A trunk as one node finds it."""

    servers: list[TrunkServer] = []
    registration: TrunkRegistration | None = None
    problems: list[str] = []


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
    trunk_states: dict[str, TrunkState] = {}


class NodeList(Answer):
    object: Literal["list"] = "list"
    data: list[Node]
    me: str


class Drained(Answer):
    draining: bool
    calls: int


class Reloaded(BaseModel):
    node: str
    problems: list[str] = Field(default=[], description="Why its file could not be used; empty: it is in force.")


class ReloadList(Answer):
    object: Literal["list"] = "list"
    data: list[Reloaded]


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
    profile: str = ""
    calls: int = 0
    max_calls: int = 0
    registered: bool | None = Field(default=None, description="null: no registration is asked for.")
    up: bool | None = Field(default=None, description="A server of it answers OPTIONS; null: none is asked.")
    problem: str = Field(default="", description="All that is wrong with it, by node.")
    nodes: dict[str, TrunkState] = {}


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


class CalendarInfo(Answer):
    name: str
    timezone: str
    open: bool
    until_at: Epoch | None = Field(default=None, description="Its next change; null: not within a year.")
    until_time: Iso | None = None
    overridden_by: str | None = Field(default=None, description="Who said so by hand; null: the calendar does.")


class CalendarList(Answer):
    object: Literal["list"] = "list"
    data: list[CalendarInfo]


class VoicemailInfo(Answer):
    id: str
    box: str
    call_id: str
    node: str = Field(description="The name of the node that has the sound.")
    caller: str
    caller_name: str
    called: str
    at: Epoch
    time: Iso
    seconds: float
    file: str
    transcript: str | None = Field(description="What was said; null: nobody wrote it down, or has not yet.")
    heard: bool = Field(description="Somebody has listened to it.")


class VoicemailReceived(BaseModel):
    """A message that a caller left, with its words where there are any."""

    message: VoicemailInfo


class VoicemailList(Answer):
    object: Literal["list"] = "list"
    data: list[VoicemailInfo]
    next: str = Field(default="", description="The cursor of those that follow; empty: none do.")


class RemovedVoicemail(Answer):
    id: str
    removed: bool = True


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


class RecordErased(Answer):
    call_id: str


class Tested(Answer):
    """Nothing has happened: somebody wants to know whether webhooks arrive."""

    name: str


def fields_of(*kinds: type[EventData]) -> dict[str, Any]:
    """The data of events as fields of a model; what only some of them have is optional."""
    found: dict[str, Any] = {}
    for kind in kinds:
        hints = get_type_hints(kind, include_extras=True)
        for one in fields(kind):
            hint = hints[one.name]
            about = " ".join(getattr(hint, "__metadata__", ())) or None
            needed = one.default is MISSING and all(one.name in get_type_hints(other) for other in kinds)
            found[one.name] = (hint if needed else hint | None, Field(... if needed else None, description=about))
    return found


class Summarised(WebhookCall):
    """What a chat model makes of a call that has ended: `summary`, `fields` and `score` of `call`."""


def _webhooks() -> dict[str, type[BaseModel]]:
    """The data of each kind of webhook is what its events say, with the call."""
    kinds: dict[str, list[type[EventData]]] = {}
    for event, names in WEBHOOKS_OF_EVENTS.items():
        for name in names:
            kinds.setdefault(name, []).append(EVENTS[event])
    found: dict[str, type[BaseModel]] = {}
    for name, of in kinds.items():
        title = "".join(part.title() for part in name.split("."))
        about = " ".join(str(kind.__doc__) for kind in of)
        found[name] = create_model(title, __base__=WebhookCall, __doc__=about, **fields_of(*of))
    found["record.erased"], found["webhook.test"] = RecordErased, Tested
    found["voicemail.received"], found["call.summary"] = VoicemailReceived, Summarised
    return found


WEBHOOKS = _webhooks()
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
