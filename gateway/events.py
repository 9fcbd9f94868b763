"""What happens in a call: every event, when it comes, and what it says. docs/events.md has the same as a table.

An event is a frozen dataclass; its name is `type`, its fields are what others see as `data`. A field that is None is
left out. To add an event: write its class here, and call `emit` with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

EVENTS: dict[str, type[EventData]] = {}
"""By name, in the order of this file."""


@dataclass(frozen=True)
class EventData:
    """What an event says. The docstring of each is when it comes."""

    type: ClassVar[str]

    def __init_subclass__(cls, type: str) -> None:
        cls.type = type
        EVENTS[type] = cls

    def data(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened in a call. `at` is wall-clock seconds since the epoch, `data` plain JSON values."""

    call_id: str
    at: float
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, call_id: str, at: float, event: EventData) -> CallEvent:
        return cls(call_id, at, event.type, event.data())


Ms = Annotated[int, "ms"]
Status = Annotated[int, "SIP status; 0: there was none"]
UriText = Annotated[str, "URI"]


# how a call begins


@dataclass(frozen=True)
class Incoming(EventData, type="incoming"):
    """A call came in; it rings."""

    agent: Annotated[str, "who is to answer; empty: not known yet"]


@dataclass(frozen=True)
class Dialing(EventData, type="dialing"):
    """A call of ours is being made ready: the agent first."""

    agent: str


@dataclass(frozen=True)
class Dialed(EventData, type="dialed"):
    """The INVITE of a call of ours has been sent."""

    sip_call_id: Annotated[str, "its Call-ID"]


@dataclass(frozen=True)
class LookedUp(EventData, type="looked_up"):
    """The agent's `lookup` has answered."""

    ms: int
    variables: Annotated[list[str], "names of what it set"]
    agent: Annotated[str | None, "who has the call now"] = None
    greeting: Annotated[bool | None, "it gave another one"] = None


@dataclass(frozen=True)
class LookupFailed(EventData, type="lookup_failed"):
    """The agent's `lookup` has not answered in time, or not in a way that can be used; the call goes on without."""

    problem: str


@dataclass(frozen=True)
class TrunkFailed(EventData, type="trunk_failed"):
    """A trunk could not take a call of ours; the next one of the dial plan is asked."""

    trunk: str
    status: Status
    problem: str
    next: Annotated[str, "the trunk that is asked now"]


@dataclass(frozen=True)
class Ringing(EventData, type="ringing"):
    """The called party's telephone rings."""

    status: Annotated[int, "180 to 183"]


@dataclass(frozen=True)
class Answered(EventData, type="answered"):
    """The call is answered: caller and agent can talk."""


# where a call goes without an agent


@dataclass(frozen=True)
class Routed(EventData, type="routed"):
    """A menu, a mailbox, a telephone or an agent gets the call."""

    to: Annotated[str, "the destination"]
    why: Annotated[str, "route, key, speech, no_input, wrong_keys, failed or transfer"]
    by: Annotated[str | None, "the calendar that led there"] = None


@dataclass(frozen=True)
class RouteFailed(EventData, type="route_failed"):
    """It could not be taken there, and goes `otherwise`."""

    problem: str
    next: Annotated[str, "the destination"]


@dataclass(frozen=True)
class MenuChosen(EventData, type="menu_chosen"):
    """The caller pressed keys that a menu knows."""

    menu: str
    keys: str


@dataclass(frozen=True)
class MenuWrong(EventData, type="menu_wrong"):
    """The caller pressed keys that a menu does not know."""

    menu: str
    keys: str


@dataclass(frozen=True)
class VoicemailBegun(EventData, type="voicemail_begun"):
    """The caller is at a mailbox."""

    box: str


@dataclass(frozen=True)
class VoicemailLeft(EventData, type="voicemail_left"):
    """A message was left."""

    box: str
    message: Annotated[str, "its id"]
    file: str
    seconds: float
    why: Annotated[str, "what ended it: key, silence, length, moved or hung_up"]


@dataclass(frozen=True)
class VoicemailEmpty(EventData, type="voicemail_empty"):
    """Nothing was said to a mailbox, or too little to be kept."""

    box: str
    seconds: float
    why: Annotated[str, "what ended it: key, silence, length, moved or hung_up"]


@dataclass(frozen=True)
class VoicemailFailed(EventData, type="voicemail_failed"):
    """A message could not be kept."""

    box: str
    problem: str


# who speaks


@dataclass(frozen=True)
class SpeechStarted(EventData, type="speech_started"):
    """The provider hears the caller begin to speak."""

    audio_start_ms: Annotated[int, "ms of the session's audio"]


@dataclass(frozen=True)
class SpeechStopped(EventData, type="speech_stopped"):
    """The provider hears that the caller has finished."""

    audio_end_ms: Annotated[int, "ms of the session's audio"]


@dataclass(frozen=True)
class SpeechHeard(EventData, type="speech_heard"):
    """The gateway's own detector hears the caller over the agent (`barge_in.local_ms`)."""


@dataclass(frozen=True)
class Transcript(EventData, type="transcript"):
    """What one side has said. The caller's words come when they have been spoken."""

    role: Annotated[str, "user (the caller) or assistant (the agent)"]
    text: str
    item_id: Annotated[str, "of the conversation item"]
    provider_data: Annotated[dict[str, Any] | None, "what the provider adds to it"] = None
    began_at: Annotated[float | None, "when they were begun, epoch s"] = None


@dataclass(frozen=True)
class Interrupted(EventData, type="interrupted"):
    """The agent was stopped in mid-sentence."""

    item_id: str | None = None
    audio_end_ms: Annotated[int | None, "of the item that was heard"] = None
    heard: Annotated[str | None, "its words, as far as they were heard"] = None


@dataclass(frozen=True)
class Paused(EventData, type="paused"):
    """The agent pauses until it is known whether the caller said something (`barge_in.mode: resume`)."""


@dataclass(frozen=True)
class Resumed(EventData, type="resumed"):
    """Nothing was said: the agent goes on where it was."""


@dataclass(frozen=True)
class EchoDetected(EventData, type="echo_detected"):
    """The line sends the agent's own words back, and the provider took them for the caller's; told once."""


@dataclass(frozen=True)
class NoInput(EventData, type="no_input"):
    """The caller says nothing."""

    times: Annotated[int, "since they were last heard"]


@dataclass(frozen=True)
class MaxDurationReached(EventData, type="max_duration_reached"):
    """The call has lasted as long as it may; it ends when the caller has been told."""

    seconds: Annotated[float, "the agent's `max_seconds`"]


# keys


@dataclass(frozen=True)
class Dtmf(EventData, type="dtmf"):
    """The caller pressed a key."""

    digit: Annotated[str, "0-9 * # A-D; x where it is secret"]


@dataclass(frozen=True)
class DtmfSent(EventData, type="dtmf_sent"):
    """Keys were sent to the caller's side."""

    digits: str


# tools


@dataclass(frozen=True)
class ToolCalled(EventData, type="tool_call"):
    """The agent uses a tool."""

    name: str
    arguments: Annotated[str, "JSON, as the model wrote it"]
    tool_call_id: str


@dataclass(frozen=True)
class ToolOutput(EventData, type="tool_output"):
    """What the tool answered the agent."""

    name: str
    output: str
    tool_call_id: str


@dataclass(frozen=True)
class ToolBlocked(EventData, type="tool_blocked"):
    """A tool has kept the whole node from its work."""

    name: str
    ms: int


@dataclass(frozen=True)
class Disposition(EventData, type="disposition"):
    """The agent noted what came of the call."""

    disposition: str
    note: str


@dataclass(frozen=True)
class RuleApplied(EventData, type="rule"):
    """A rule of the agent's file came true."""

    number: Annotated[int, "its place in `rules`, from 1 on"]


# the agent and its provider


@dataclass(frozen=True)
class AgentUpdated(EventData, type="agent_updated"):
    """Another agent has the call, or the same one has other settings."""

    agent: str


@dataclass(frozen=True)
class AgentUpdateRefused(EventData, type="agent_update_refused"):
    """The provider refused an update."""

    agent: Annotated[str, "who has the call now"]


@dataclass(frozen=True)
class ProviderFault(EventData, type="provider_fault"):
    """The provider reports an error; the first 20 of a call are told."""

    code: str
    message: str
    about: Annotated[str, "id of the client event that it is about"]
    more: Annotated[str | None, "at the last one: further ones are counted only"] = None


@dataclass(frozen=True)
class ResponseFailed(EventData, type="response_failed"):
    """A response of the agent's failed or is incomplete."""

    status: Annotated[str, "failed or incomplete"]
    problem: str


@dataclass(frozen=True)
class ProviderFailed(EventData, type="provider_failed"):
    """A provider gave no session; the next one is asked, where there is one."""

    provider: str
    problem: str


@dataclass(frozen=True)
class ProviderBroken(EventData, type="provider_broken"):
    """The session broke in mid-call; another one is sought."""

    provider: str
    problem: str


@dataclass(frozen=True)
class ProviderRestored(EventData, type="provider_restored"):
    """Another session goes on with the conversation."""

    provider: str
    seconds: Annotated[float, "without a session"]
    attempts: int


@dataclass(frozen=True)
class ProviderRenewed(EventData, type="provider_renewed"):
    """A session that would have expired was followed by another, without a gap."""

    provider: str


@dataclass(frozen=True)
class AgentLost(EventData, type="agent_lost"):
    """No provider has a session: what `on_provider_failure` says is done."""

    problem: str


# what is asked of the call


@dataclass(frozen=True)
class Hold(EventData, type="hold"):
    """The call is put on hold, or taken back."""

    on: bool
    by: Annotated[str, "gateway (an operator, or the agent) or caller (their telephone)"]


@dataclass(frozen=True)
class MuteChanged(EventData, type="mute"):
    """One side is not heard any more, or is again."""

    who: Annotated[str, "caller or agent"]
    on: bool


@dataclass(frozen=True)
class Say(EventData, type="say"):
    """The agent was told to say something."""

    text: str


@dataclass(frozen=True)
class PromptPlayed(EventData, type="prompt_played"):
    """Words are said exactly, as sound of ours: a greeting, an announcement, what was asked for."""

    text: str
    source: Annotated[str, "file, speech (a service) or local (the embedded voice)"]
    prompt: Annotated[str | None, "its name in the gateway's file"] = None


@dataclass(frozen=True)
class PromptFailed(EventData, type="prompt_failed"):
    """Sound could not be made as it was asked for; the embedded voice says the words instead."""

    problem: str


@dataclass(frozen=True)
class Injected(EventData, type="injected"):
    """An item was put into the conversation."""

    role: Annotated[str, "system, user or assistant"]
    text: str


# transfers


@dataclass(frozen=True)
class TransferStarted(EventData, type="transfer_started"):
    """The caller is being handed on."""

    target: Annotated[str, "its name in `transfer_targets`, or as it was given"]
    uri: UriText


@dataclass(frozen=True)
class TransferDialing(EventData, type="transfer_dialing"):
    """The second telephone is called, for a transfer or for a REFER."""

    uri: UriText
    sip_call_id: Annotated[str, "its Call-ID"]
    trunk: str | None = None


@dataclass(frozen=True)
class TransferProgress(EventData, type="transfer_progress"):
    """How the call to the target goes."""

    status: int
    reason: str


@dataclass(frozen=True)
class TransferFailed(EventData, type="transfer_failed"):
    """The target was not reached: the caller is with the agent again."""

    target: str
    status: Status
    problem: str


@dataclass(frozen=True)
class Bridged(EventData, type="bridged"):
    """The caller and the target talk with each other through the gateway; the agent has left."""

    target: str


@dataclass(frozen=True)
class Referred(EventData, type="referred"):
    """The other party's REFER is followed: somebody else is called to take its place."""

    uri: UriText
    referred_by: str


@dataclass(frozen=True)
class ReferrerLeft(EventData, type="referrer_left"):
    """Whoever sent the REFER has hung up before its target answered."""


@dataclass(frozen=True)
class ReferFailed(EventData, type="refer_failed"):
    """The target of the REFER was not reached."""

    uri: UriText
    status: Status
    problem: str


@dataclass(frozen=True)
class Replaced(EventData, type="replaced"):
    """Somebody else is the caller now (RFC 3891, or a REFER)."""

    caller: UriText


# recording


@dataclass(frozen=True)
class Consent(EventData, type="consent"):
    """The caller was asked whether the call may be recorded."""

    answer: Annotated[str, "yes, no or none"]
    by: Annotated[str, "key, word or silence"]
    said: Annotated[str, "the key, or the words"]
    text: Annotated[str, "what the caller was asked, word for word"]
    version: Annotated[str, "of the text"]


@dataclass(frozen=True)
class RecordingStarted(EventData, type="recording_started"):
    """Both voices are recorded from now on."""

    file: str


@dataclass(frozen=True)
class RecordingPaused(EventData, type="recording_paused"):
    """Nothing is recorded until it is resumed."""

    file: str


@dataclass(frozen=True)
class RecordingResumed(EventData, type="recording_resumed"):
    """It is recorded again."""

    file: str


@dataclass(frozen=True)
class RecordingStopped(EventData, type="recording_stopped"):
    """The recording is complete."""

    file: str
    seconds: float


@dataclass(frozen=True)
class RecordingFailed(EventData, type="recording_failed"):
    """Nothing is recorded any more."""

    problem: str


# the end


@dataclass(frozen=True)
class Ended(EventData, type="ended"):
    """The call is over; nothing follows."""

    outcome: Annotated[str, "see below"]
    status: Annotated[int | None, "SIP status, where an INVITE was refused"] = None
    problem: str | None = None
    reason: Annotated[str | None, "Reason header of the BYE (RFC 3326)"] = None
    bridged: Annotated[bool | None, "the caller talked with somebody else through here"] = None
    node: Annotated[str | None, "that died"] = None
