"""A call: one telephone party, one agent, and every decision between them.

A machine: its inputs are methods with `now` (s, monotonic), it calls verbs of the leg and of the agent's session, and
its actions (`actions.py`) are for whoever runs it; `Finished` comes once, at the end. What it decides is decided by its
parts (`part.py`); the call itself keeps the state, and tells the parts what happens.

    INCOMING --> RINGING --> ANSWERED <--> TRANSFERRING --> BRIDGED
    DIALING ----/----------/                                           each --> ENDED
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec

from gateway import destinations, events
from gateway.agents import Agent, AgentDefinition
from gateway.bridge.call.actions import Action, Finished, ReleaseAgent, UpdateAgent
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.attendant import Attendant
from gateway.bridge.call.barge_in import BargeIn
from gateway.bridge.call.call_commands import CallCommands
from gateway.bridge.call.call_info import CallInfo, CallStats
from gateway.bridge.call.call_setup import CallSetup
from gateway.bridge.call.call_timeouts import CallTimeouts
from gateway.bridge.call.dtmf_input import DtmfInput
from gateway.bridge.call.fallback import Fallback
from gateway.bridge.call.follow_refer import FollowRefer
from gateway.bridge.call.hold_state import HoldState
from gateway.bridge.call.leg import AgentSession, Leg, NoSession
from gateway.bridge.call.mute_state import MuteState
from gateway.bridge.call.part import HOOKS, Part, TransferRequest
from gateway.bridge.call.recording import Recording
from gateway.bridge.call.rules import Rules
from gateway.bridge.call.tool_use import ToolUse
from gateway.bridge.call.transfer import Progress, Transfer
from gateway.bridge.call.voicemail import Voicemail
from gateway.bridge.places import NOWHERE, Places
from gateway.bridge.reasons import Reason, outcome_of_status
from gateway.bridge.tools.built_in import failure
from gateway.call_record import CallState
from gateway.cleanup import finish
from gateway.destinations import Destination
from gateway.machine import Timers
from gateway.outcomes import Outcome
from gateway.realtime import (
    AudioDelta,
    Broken,
    Event,
    Heard,
    Lost,
    ProviderFault,
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

P = ParamSpec("P")

NOBODY = Agent("", "", AgentDefinition(), {})
"""Before it is known who has the call."""


NEXT: dict[CallState, set[CallState]] = {
    CallState.INCOMING: {CallState.RINGING, CallState.ENDED},
    CallState.DIALING: {CallState.RINGING, CallState.ANSWERED, CallState.ENDED},
    CallState.RINGING: {CallState.ANSWERED, CallState.ENDED},
    CallState.ANSWERED: {CallState.TRANSFERRING, CallState.BRIDGED, CallState.ENDED},
    CallState.TRANSFERRING: {CallState.ANSWERED, CallState.BRIDGED, CallState.ENDED},
    CallState.BRIDGED: {CallState.ENDED},
    CallState.ENDED: set(),
}
"""What may follow what."""

MOST_TURNS = 20
"""Of the caller that may wait for their words: a provider may give none."""

MAX_FAULTS, MAX_MESSAGE = 20, 500
"""Faults of the provider that are told of in one call, and characters of each; all are counted."""


class Call:
    """It begins without an agent; `begin` says who has it, `attend` where it goes without one. `epoch` makes wall-clock
    seconds of `now`. `resolve` says where a destination leads at a time (epoch s)."""

    def __init__(
        self,
        info: CallInfo,
        leg: Leg,
        now: float,
        epoch: float,
        places: Places = NOWHERE,
        resolve: Callable[[Destination, float], Destination] = lambda to, at: to,
    ) -> None:
        self.info, self.agent = info, NOBODY
        self.places, self._resolve = places, resolve
        self.state = CallState.DIALING if info.direction == "outbound" else CallState.INCOMING
        self.leg, self._epoch = leg, epoch
        self.session: AgentSession = NoSession()
        self.variables = info.variables("")
        self.stats = CallStats(now + epoch)
        self._timers: Timers[tuple[Part, str]] = Timers()
        self._actions: list[Action] = []
        self._had = ""  # the name of the agent that had it last
        self._turn_ended: float | None = None
        self._turns: dict[str, float] = {}  # of the caller: when each began that has no words yet, by item

        self.hold = HoldState(self)
        self.mute = MuteState(self, self.hold)
        self.announcer = Announcer(self)
        self.recording = Recording(self, self.announcer)
        self.dtmf_input = DtmfInput(self, self.recording)
        self.tools = ToolUse(self, self.recording, self.dtmf_input)
        self.fallback = Fallback(self, self.announcer)
        self.setup = CallSetup(self, self.recording, self.fallback, self.announcer, now)
        self.timeouts = CallTimeouts(self, self.hold, self.tools)
        self.rules = Rules(self)
        self.barge_in = BargeIn(self, self.announcer, self.tools)
        self.voicemail = Voicemail(self, self.announcer)
        self.attendant = Attendant(self, self.announcer, self.voicemail)
        self._parts: tuple[Part, ...] = (
            self.attendant, self.voicemail, self.setup, self.announcer, self.recording, self.fallback, self.tools,
            self.timeouts, self.rules, self.barge_in, self.dtmf_input, self.hold, self.mute,
        )  # fmt: skip
        """In the order in which they hear of things."""
        self._hooks = {hook: _heard_by(self._parts, hook.__name__) for hook in HOOKS}
        self.transfer: Transfer | None = None
        self.follow_refer: FollowRefer | None = None
        self.commands = CallCommands(self, self.mute, self.recording, self.tools, self.announcer, self.attendant)

    def __str__(self) -> str:
        return f"{self.info.call_id} {self.state} {self.info.caller.uri} with {self.agent.name or 'nobody yet'}"

    # machine

    def deadline(self) -> float | None:
        return self._timers.deadline()

    def expire(self, now: float) -> None:
        for part, timer in self._timers.due(now):
            if not self.ended:  # by a timer that came due at the same moment
                part.expire(timer, now)

    def actions(self) -> list[Action]:
        taken, self._actions = self._actions, []
        return taken

    def record(self) -> dict[str, Any]:
        """The call as it stands, plain JSON values: `gateway.call_record.CallRecord`."""
        return {
            **self.info.identity(),
            "state": str(self.state),
            "agent": self.agent.name or self._had,
            "provider": (self.stats.providers or [self.agent.definition.provider if self.agent.name else ""])[-1],
            "held_by": self.hold.reasons,
            "muted": self.mute.muted,
            "recording": self.recording.state.value,
            **self.stats.record(),
        }

    def snapshot(self, now: float) -> dict[str, Any]:
        """All of its state as plain JSON values. Timers are s from now on."""
        parts = [*self._parts, *self._errands()]
        return {
            "info": self.info.snapshot(),
            "state": str(self.state),
            "agent": self.agent.name,
            "stats": self.stats.record(),
            "turns": dict(self._turns),
            "turn_ended": self._turn_ended,
            "parts": {part.name: part.snapshot() for part in parts},
            "timers": [[part.name, timer, round(when - now, 3)] for (part, timer), when in self._timers.pending()],
        }

    # for parts (CallPort)

    @property
    def talking(self) -> bool:
        """The caller and the agent hear each other."""
        return self.state is CallState.ANSWERED

    @property
    def audible(self) -> bool:
        """The caller hears what is played: the call is answered, or we may speak before that."""
        return self.talking or (self.state is CallState.RINGING and self.leg.early)

    def resolve(self, to: Destination, now: float) -> Destination:
        return self._resolve(to, now + self._epoch)

    @property
    def ended(self) -> bool:
        return self.state is CallState.ENDED

    @property
    def leaving(self) -> bool:
        """A transfer is under way, or a REFER of the peer's is followed."""
        return self.transfer is not None or self.follow_refer is not None

    def emit(self, event: events.EventData, now: float) -> None:
        self._actions.append(events.CallEvent.of(self.info.call_id, now + self._epoch, event))

    def epoch_of(self, now: float) -> float:
        return now + self._epoch

    def act(self, action: Action) -> None:
        self._actions.append(action)

    def wake(self, part: Part, timer: str, when: float) -> None:
        if not self.ended:
            self._timers.set((part, timer), when)

    def cancel(self, part: Part, timer: str) -> None:
        self._timers.cancel((part, timer))

    def greet(self, now: float) -> None:
        self.setup.greet(now)

    def said(self, text: str, now: float) -> None:
        self.stats.said("assistant", text, now + self._epoch)
        self.emit(events.Transcript("assistant", text, "", None, None), now)

    def put_on_hold(self, on: bool, now: float) -> None:
        self.attendant.held(on, now)
        self.hold.set("gateway", on)
        self.mute.render()
        self.emit(events.Hold(on, "gateway"), now)

    def answer_tool(self, asked: ToolCall, output: str, now: float, respond: bool = True) -> None:
        if not self.ended:
            self.emit(events.ToolOutput(asked.name, output, asked.call_id), now)
            self.session.tool_output(asked.call_id, output, respond)

    def _enter(self, state: CallState) -> None:
        assert state in NEXT[self.state], f"{self}: {state} cannot follow"
        self.state = state

    def _tell(self, hook: Callable[Concatenate[Part, P], None], *about: P.args, **more: P.kwargs) -> None:
        for heard in self._hooks[hook]:
            heard(*about, **more)

    def _errands(self) -> list[Part]:
        return [one for one in (self.transfer, self.follow_refer, self.attendant.forward) if one]

    # how it begins

    def begin(self, agent: Agent, session: AgentSession, prompt: bytes | None = None, variant: str = "") -> None:
        """Who has the call, and how they are reached. `prompt` (PCM16 at 24 kHz) is for when no provider is left."""
        self.info = replace(self.info, variant=variant)
        self._use_agent(agent)
        self.session, self.fallback.prompt = session, prompt
        self.setup.prepare()

    def attend(self, to: Destination, otherwise: Destination | None, now: float) -> None:
        """A call that came in goes there, with no agent yet."""
        self._enter(CallState.RINGING)
        self.emit(events.Incoming(""), now)
        self.attendant.begin(to, otherwise, now)

    def agent_connects(
        self,
        agent: Agent,
        session: AgentSession,
        prompt: bytes | None,
        variant: str,
        now: float,
        greets: bool = True,
    ) -> None:
        """As `begin`, for a call that was somewhere else before. Not `greets`: it answers what the caller has said."""
        self.begin(agent, session, prompt, variant)
        self.setup.connect(now, greets)
        self.emit(events.AgentUpdated(agent.name), now)
        self._tell(Part.agent_begins, now)

    def release_agent(self, now: float) -> None:
        """Nobody has the call, for the time being."""
        if not self.leg.silent:
            self.leg.flush()
        self._tell(Part.agent_leaves, now)
        self.session.close()
        self.session, self._turn_ended = NoSession(), None
        self._use_agent(NOBODY)
        self.act(ReleaseAgent())

    def overflow(self, problem: str, outcome: Outcome, now: float) -> bool:
        """There is no agent for it: whether it goes where the route or the menu says `otherwise`."""
        if not self.attendant.otherwise:
            return False
        self.release_agent(now)
        self.attendant.failed(problem, outcome, now)
        return True

    def ring(self, now: float) -> None:
        """A call that came in."""
        self._enter(CallState.RINGING)
        self.leg.ring()
        self.emit(events.Incoming(self.agent.name), now)
        self.setup.rings(now)

    def dial(self, now: float) -> None:
        """A call of ours."""
        self.emit(events.Dialing(self.agent.name), now)

    def dialed(self, sip_call_id: str, now: float) -> None:
        """Our INVITE has left."""
        self.info = replace(self.info, sip_call_id=sip_call_id)
        self.emit(events.Dialed(sip_call_id), now)

    def next_trunk(self, name: str, status: int, problem: str, now: float) -> None:
        """The trunk that was asked cannot take it; `name` is asked now."""
        self.emit(events.TrunkFailed(self.info.trunk, status, problem, name), now)
        self.info = replace(self.info, trunk=name)

    def ringing(self, status: int, now: float) -> None:
        """18x to our INVITE."""
        if self.state is CallState.DIALING:
            self._enter(CallState.RINGING)
            self.emit(events.Ringing(status), now)

    def picked_up(self, now: float) -> None:
        """2xx to our INVITE, and our ACK is on its way."""
        if self.state in (CallState.DIALING, CallState.RINGING):
            self.connected(now)
            self.confirmed(now)

    def confirmed(self, now: float) -> None:
        """The ACK came, or ours has left."""
        self._tell(Part.confirmed, now)

    def connected(self, now: float) -> None:
        self._enter(CallState.ANSWERED)
        self.stats.answered_at = now + self._epoch
        self.emit(events.Answered(), now)
        self._tell(Part.answered, now)

    def refuse(self, error: Exception, reason: Reason, now: float) -> None:
        """There will be no agent."""
        if self.state in (CallState.INCOMING, CallState.RINGING, CallState.DIALING):
            self.leg.reject(reason.status, reason.headers)
            self._finish(events.Ended(reason.outcome, reason.status, str(error)), now)
        else:  # answered before there was an agent
            self.hang_up(reason.outcome, now, problem=str(error))

    def not_reached(self, outcome: Outcome, status: int, problem: str, now: float) -> None:
        """Our INVITE came to nothing."""
        if self.state in (CallState.DIALING, CallState.RINGING):
            self._finish(events.Ended(outcome, status, problem), now)

    # the telephone's side

    def leg_ended(self, outcome: Outcome, reason: str, now: float) -> None:
        """The caller's side is gone; `reason` is the Reason header of its BYE."""
        hung_up = outcome is Outcome.CALLER_HUNG_UP
        if self.ended or (hung_up and self.follow_refer and self.follow_refer.referrer_left(now)):
            return
        if self.state is CallState.BRIDGED or (hung_up and self.transfer and self.transfer.caller_follows):
            outcome = Outcome.TRANSFERRED  # the caller follows the REFER and has no more use for this call
        self._finish(events.Ended(outcome, reason=reason or None), now)

    def digit(self, digit: str, now: float) -> None:
        if self.attendant.listens and self.audible:
            self.attendant.press(digit, now)
        elif self.talking and self.recording.takes_keys:
            self.emit(events.Dtmf(digit=digit), now)
            self.recording.press(digit, now)
        elif self.talking:
            self._tell(Part.caller_active, now)
            self.dtmf_input.press(digit, now)

    def held_by_caller(self, on: bool, now: float) -> None:
        """The caller's telephone has put us on hold, or taken us back (RFC 3264 section 8.4)."""
        if self.hold.set("caller", on):
            self.emit(events.Hold(on, "caller"), now)
            self.attendant.held(on, now)

    def voice_heard(self, now: float) -> None:
        """The leg was asked to listen for one, and no agent does."""
        self.attendant.spoke(now)
        self.voicemail.spoke(now)

    def drained(self, now: float) -> None:
        """All speech that was queued has left for the caller."""
        self.stats.underruns += self.session.unfinished
        self._tell(Part.playout_drained, now)

    def speech_heard(self, now: float) -> None:
        """Our own detector hears the caller over the agent, maybe before the provider does."""
        if self.talking and not self.leg.echoes():
            self.emit(events.SpeechHeard(), now)
            self._tell(Part.speech_heard, now)

    def replaced(self, caller: str, now: float) -> None:
        """Another party has taken the caller's place; the model is told."""
        self.follow_refer = None
        self.hold.render(anew=True)
        if self.mute.input_muted:
            self.mute.render()
        self.emit(events.Replaced(caller), now)
        self.session.add_text(f"[CALLER] {caller}")

    # the agent's side

    def receive(self, event: Event, now: float) -> None:
        match event:
            case AudioDelta():
                self._tell(Part.agent_speaks, now)
                if self._turn_ended is not None:
                    self.stats.answered(now - self._turn_ended)
                    self._turn_ended = None
                listener = self.leg if self.talking else self.transfer and self.transfer.listener
                if listener and not self.mute.agent and not self.recording.takes_keys:
                    listener.play(event.item_id, event.content_index, event.audio)
            case SpeechStarted() if self.talking and self.leg.echoes():
                self._heard_itself(now)
            case SpeechStarted():
                self._turn_ended = None
                self._turns[event.item_id] = now
                if len(self._turns) > MOST_TURNS:
                    del self._turns[next(iter(self._turns))]
                self.emit(events.SpeechStarted(event.at_ms), now)
                self._tell(Part.caller_active, now)
                self._tell(Part.speech_started, now)
            case SpeechStopped():
                self.emit(events.SpeechStopped(event.at_ms), now)
                self._turn_ended = now
                self._tell(Part.speech_stopped, now)
            case Transcript():
                self._transcript(event, now)
                if event.role == "user":
                    self._tell(Part.caller_said, event.text, now)
            case ResponseDone():
                self._response_done(event, now)
            case ProviderFault():
                self._fault(event, now)
            case Reverted():
                self._use_agent(event.agent)
                self.emit(events.AgentUpdateRefused(event.agent.name), now)
            case Unreached() | Broken() | Restored() | Renewed() | Lost():
                self.fallback.receive(event, now)

    def set_agent(self, agent: Agent, now: float) -> None:
        """Another agent, or the same one with other settings, has the call from now on."""
        self._use_agent(agent)
        self.emit(events.AgentUpdated(agent.name), now)

    def learn(self, variables: Mapping[str, str], agent: Agent, prompt: bytes | None, now: float) -> None:
        """What a lookup has found, before the call has begun: variables, and who has it now; `prompt` as in `begin`."""
        self.fallback.prompt = prompt
        self.info = replace(self.info, own={**self.info.own, **variables})
        self._use_agent(agent)

    def _use_agent(self, agent: Agent) -> None:
        self.agent, self.variables = agent, self.info.variables(agent.name)
        self._had = agent.name or self._had

    def _transcript(self, event: Transcript, now: float) -> None:
        """Words of the caller's come when they have been spoken: `began_at` is when they were begun."""
        began = self._turns.pop(event.item_id, None) if event.role == "user" else None
        if began is not None:
            for item_id in [one for one, at in self._turns.items() if at < began]:
                del self._turns[item_id]  # older ones, of which no words came
        if event.text:
            self.stats.said(event.role, event.text, now + self._epoch)
            began_at = None if began is None else began + self._epoch
            self.emit(events.Transcript(event.role, event.text, event.item_id, event.extra or None, began_at), now)

    def _heard_itself(self, now: float) -> None:
        """The provider took the agent's own words, which the line sent back, for the caller's."""
        self.stats.echoes += 1
        if self.stats.echoes == 1:
            self.emit(events.EchoDetected(), now)
        self.session.steer({"type": "input_audio_buffer.clear"})  # nobody has said that

    def interrupt(self, now: float, by_speech: bool) -> None:
        if self.announcer.must_be_heard:
            return
        playing = not self.leg.silent
        heard: list[Heard] = self.session.interrupt(self.leg.flush(), by_speech)
        if playing:
            self.stats.interruptions += 1
            if heard:
                item_id = heard[0].item_id
                self.emit(events.Interrupted(item_id, heard[0].ms, self.session.heard_of(item_id)), now)
            else:
                self.emit(events.Interrupted(), now)
        self._tell(Part.interrupted, now)

    def _fault(self, event: ProviderFault, now: float) -> None:
        if event.severity is Severity.BENIGN:
            return
        self.stats.provider_faults += 1
        if self.stats.provider_faults <= MAX_FAULTS:
            more = "further ones are counted only" if self.stats.provider_faults == MAX_FAULTS else None
            fault = events.ProviderFault(event.code[:100], event.message[:MAX_MESSAGE], event.about, more)
            self.emit(fault, now)

    def _response_done(self, event: ResponseDone, now: float) -> None:
        self.stats.use(event.usage, self.session.prices)
        if event.failed:
            self.stats.provider_faults += 1
            if self.stats.provider_faults <= MAX_FAULTS:
                self.emit(events.ResponseFailed(event.status, event.problem[:MAX_MESSAGE]), now)
        self._tell(Part.response_done, event, now)

    def tool_blocked(self, tool: str, seconds: float, now: float) -> None:
        """A tool of this call has kept the loop, and with it all calls, from their work."""
        ms = round(seconds * 1000)
        self.stats.blocked_ms += ms
        self.emit(events.ToolBlocked(tool, ms), now)

    # transfer, and REFER

    def begin_transfer(self, request: TransferRequest, now: float) -> None:
        if self.follow_refer:  # a call has one second leg at a time
            self.follow_refer.other_ended(f"the call is being transferred to {request.name}", 0, now)
        goal = self.goal_of(request, now)
        if not goal.telephone and self.talking:
            self._hand_over(goal, request, now)
        elif self.talking:
            request = replace(request, target=goal.name, trunk=goal.trunk or request.trunk)
            if self.attendant.active:
                self.attendant.leaves(now)
            self._enter(CallState.TRANSFERRING)
            self.transfer = Transfer(self, self.hold, request)
            self.mute.render()
            self.emit(events.TransferStarted(request.name, request.target), now)
            self.transfer.begin(now)

    def goal_of(self, request: TransferRequest, now: float) -> Destination:
        """What is no destination is left to the transfer, which says so."""
        try:
            return self.resolve(destinations.read(request.target), now)
        except ValueError:
            return Destination("sip", request.target)

    def _hand_over(self, goal: Destination, request: TransferRequest, now: float) -> None:
        """To what is no telephone."""
        if goal.kind == "agent" and not self.attendant.active and not self.fallback.active:
            if request.asked_by:
                self.answer_tool(request.asked_by, f"{goal.name} goes on with the conversation", now, respond=False)
            self.act(UpdateAgent(goal.name))
        elif goal.kind == "hangup":
            self.hang_up(Outcome.AGENT_HUNG_UP if request.asked_by else Outcome.HUNG_UP_BY_REQUEST, now)
        else:
            self.attendant.take_over(goal, now)

    def put_through(self, target: str, now: float) -> None:
        self._enter(CallState.BRIDGED)
        self.emit(events.Bridged(target), now)

    def transfer_moved(self, progress: Progress, now: float) -> None:
        if self.transfer and self.state is CallState.TRANSFERRING:
            self.transfer.moved(progress, now)

    def transfer_failed(self, problem: str, status: int, now: float) -> None:
        """The caller is with the agent again, who has to know why."""
        assert self.transfer is not None
        request, self.transfer = self.transfer.request, None
        self._enter(CallState.ANSWERED)
        self.mute.render()
        self.emit(events.TransferFailed(request.name, status, problem), now)
        if self.fallback.active:
            self.fallback.end(now)
            return
        if self.attendant.active:
            self.attendant.failed(problem, outcome_of_status(status), now, status)
            return
        failed = f"the transfer to {request.name} failed: {problem}"
        if request.asked_by:
            self.answer_tool(request.asked_by, failure(failed), now)
        else:  # the model did not ask for it, and has to know what the caller has heard of it
            self.session.add_text(f"[TRANSFER] {failed}", "system")
            self.session.create_response()

    def bridged(self, now: float) -> None:
        """The agent has done its work."""
        assert self.transfer is not None
        self._enter(CallState.BRIDGED)
        self.emit(events.Bridged(self.transfer.request.name), now)
        self.session.close()

    def refer(self, target: str, replaces: str, referred_by: str, now: float) -> None:
        """The peer's REFER: call `target` and connect it with the agent."""
        if not self.talking or self.tools.announcing or self.follow_refer:
            self.leg.tell_referrer(603)
            return
        self.follow_refer = FollowRefer(self, target, replaces, referred_by)
        self.follow_refer.begin(now)

    def refer_failed(self, now: float, referrer_left: bool) -> None:
        self.follow_refer = None
        if referrer_left:
            self.leg_ended(Outcome.CALLER_HUNG_UP, "", now)

    # endings

    def hang_up(
        self, outcome: Outcome, now: float, problem: str | None = None, bridged: bool | None = None, status: int = 0
    ) -> None:
        """End the call from our side, whatever it is doing. `status` refuses one that is not answered yet."""
        if self.ended:
            return
        rejects = self.state in (CallState.INCOMING, CallState.RINGING)

        def leave() -> None:
            if rejects:
                self.leg.reject(status or 480, {})
            self.leg.hang_up(outcome.replace("_", " "))

        refused = (status or 480) if rejects else None
        self._finish(events.Ended(outcome, refused, problem, bridged=bridged), now, leave)

    def _finish(self, ended: events.Ended, now: float, *leave: Callable[[], None]) -> None:
        """`leave` the caller's leg only then: its session says at once that it has ended, which is no news."""
        self._enter(CallState.ENDED)
        self.stats.outcome, self.stats.ended_at = ended.outcome, now + self._epoch
        self._timers.clear()
        steps = [lambda part=part: part.ended(now) for part in (*self._errands(), *self._parts)]
        finish(self, *leave, *steps, self.session.close, self._keep_stats, self.leg.close)
        self.emit(ended, now)
        self._actions.append(Finished())

    def _keep_stats(self) -> None:
        self.stats.media = self.leg.stats()


def _heard_by(parts: tuple[Part, ...], hook: str) -> list[Callable[..., None]]:
    """The hooks of those parts that override it."""
    return [getattr(part, hook) for part in parts if getattr(type(part), hook) is not getattr(Part, hook)]
