"""A call: one telephone party, one agent, and every decision between them.

A machine: its inputs are methods with `now` (s, monotonic), it calls verbs of the leg and of the agent's session, and
its actions are `CallEvent`s for whoever keeps account, `RunTool`, and `Finished` once at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway import events
from gateway.agents import Agent
from gateway.bridge.call.barge_in import TIMERS, BargeIn
from gateway.bridge.call.call_commands import CallCommands
from gateway.bridge.call.call_info import CallInfo, CallStats
from gateway.bridge.call.call_setup import CallSetup
from gateway.bridge.call.call_timeouts import TIMERS as WAITS
from gateway.bridge.call.call_timeouts import CallTimeouts
from gateway.bridge.call.dtmf_input import DtmfInput
from gateway.bridge.call.fallback import Fallback
from gateway.bridge.call.follow_refer import FollowRefer
from gateway.bridge.call.hold_state import HoldState
from gateway.bridge.call.leg import AgentSession, Leg
from gateway.bridge.call.recording import Recording, RecordingCommand
from gateway.bridge.call.rules import TIMER as RULE
from gateway.bridge.call.rules import Rules
from gateway.bridge.call.tool_use import ToolUse, UpdateAgent
from gateway.bridge.call.transfer import DialSecondLeg, Progress, ReleaseSecondLeg, ReplaceCallerLeg, Stage, Transfer
from gateway.bridge.reasons import Reason
from gateway.bridge.tools.built_in import failure
from gateway.bridge.tools.runner import RunTool
from gateway.call_record import CallState
from gateway.cleanup import finish
from gateway.events import CallEvent
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
    Transcript,
    Unreached,
)


@dataclass(frozen=True, slots=True)
class Finished:
    """The call is over; nothing follows."""


MOST_TURNS = 20
"""Of the caller that may wait for their words: a provider may give none."""

MAX_FAULTS, MAX_MESSAGE = 20, 500
"""Faults of the provider that are told of in one call, and characters of each; all are counted."""

Action = (
    CallEvent
    | RunTool
    | UpdateAgent
    | DialSecondLeg
    | ReleaseSecondLeg
    | ReplaceCallerLeg
    | RecordingCommand
    | Finished
)


class Call:
    """`epoch` is what makes wall-clock seconds of `now`; `prompt` is played when no provider is left."""

    def __init__(
        self,
        info: CallInfo,
        agent: Agent,
        leg: Leg,
        session: AgentSession,
        now: float,
        epoch: float,
        prompt: bytes | None = None,
    ) -> None:
        self.info, self.agent = info, agent
        self.state = CallState.INCOMING
        self.leg, self.session, self._epoch = leg, session, epoch
        self._timers: Timers[str] = Timers()
        self.wake, self.cancel = self._timers.set, self._timers.cancel
        self._actions: list[Action] = []
        self.transfer: Transfer | None = None
        self.follow_refer: FollowRefer | None = None
        self.hold = HoldState(self)
        self.dtmf_input, self.commands = DtmfInput(self), CallCommands(self)
        self.variables = info.variables(agent.name)
        self._turn_ended: float | None = None
        self._turns: dict[str, float] = {}  # of the caller: when each began that has no words yet, by item
        self.stats = CallStats(now + epoch)
        self.barge_in, self.recording, self.tools = BargeIn(self), Recording(self), ToolUse(self)
        self.setup, self.rules = CallSetup(self, now), Rules(self)
        self.fallback, self.timeouts = Fallback(self, prompt), CallTimeouts(self)

    def __str__(self) -> str:
        return f"{self.info.call_id} {self.state} {self.info.caller.uri} with {self.agent.name}"

    # machine

    def deadline(self) -> float | None:
        return self._timers.deadline()

    def expire(self, now: float) -> None:
        for timer in self._timers.due(now):
            match timer:
                case "debounce" | "resume":
                    self.barge_in.expire(timer, now)
                case "announced":
                    self.tools.announced(now)
                case "digits":
                    self.dtmf_input.hand_over(now)
                case _ if timer.startswith(RULE):
                    self.rules.expire(timer, now)
                case "no_input" | "limit" | "leave":
                    self.timeouts.expire(timer, now)
                case "slow":
                    self.tools.slow(now)
                case "gap":
                    self.fallback.music()
                case "prompted":
                    self.fallback.prompted(now)
                case "told" if self.transfer:
                    self.transfer.told(now)

    def actions(self) -> list[Action]:
        taken, self._actions = self._actions, []
        return taken

    def record(self) -> dict[str, Any]:
        """The call as it stands, plain JSON values."""
        return {
            **self.info.identity(),
            "state": str(self.state),
            "agent": self.agent.name,
            "provider": (self.stats.providers or [self.agent.definition.provider])[-1],
            **self.commands.record(),
            "recording": self.recording.state.value,
            **self.stats.record(),
        }

    # the telephone's side

    def start(self, now: float) -> None:
        self.state = CallState.RINGING
        self.leg.ring()
        self.emit(events.Incoming(agent=self.agent.name), now)

    def talk(self, now: float) -> None:
        """Caller and agent are on the line."""
        self.state = CallState.ANSWERED
        self.stats.answered_at = now + self._epoch
        self.setup.stage("answered", now)
        self.emit(events.Answered(), now)
        self.timeouts.answered(now)
        self.rules.answered(now)

    def refuse(self, error: Exception, reason: Reason, now: float) -> None:
        if self.state in (CallState.RINGING, CallState.DIALING):
            self.leg.reject(reason.status, reason.headers)
            self._finish(events.Ended(reason.outcome, reason.status, str(error)), now)
        else:  # answered before there was an agent
            self.hang_up(reason.outcome, now, problem=str(error))

    # a call that we make

    def dial(self, now: float) -> None:
        self.state = CallState.DIALING
        self.emit(events.Dialing(agent=self.agent.name), now)

    def known_as(self, info: CallInfo, now: float) -> None:
        self.info = info
        self.emit(events.Dialed(sip_call_id=info.sip_call_id), now)

    def ringing(self, status: int, now: float) -> None:
        if self.state is CallState.DIALING:
            self.state = CallState.RINGING
            self.emit(events.Ringing(status=status), now)

    def picked_up(self, now: float) -> None:
        """2xx to our INVITE, and our ACK is on its way."""
        if self.state in (CallState.DIALING, CallState.RINGING):
            self.talk(now)
            self.setup.confirmed(now)

    def not_reached(self, outcome: Outcome, status: int, problem: str, now: float) -> None:
        if self.state in (CallState.DIALING, CallState.RINGING):
            self._finish(events.Ended(outcome, status, problem), now)

    # both

    def leg_ended(self, outcome: Outcome, reason: str, now: float) -> None:
        """The caller's side is gone; `reason` is the Reason header of its BYE."""
        hung_up = outcome is Outcome.CALLER_HUNG_UP
        if self.state is CallState.ENDED or (hung_up and self.follow_refer and self.follow_refer.outlives(now)):
            return
        if self.state is CallState.BRIDGED or (hung_up and self._left()):
            outcome = Outcome.TRANSFERRED  # the caller follows the REFER and has no more use for this call
        self._finish(events.Ended(outcome, reason=reason or None), now)

    def digit(self, digit: str, now: float) -> None:
        if self.talking:
            self.timeouts.spoke()
            self.dtmf_input.press(digit, now)

    def drained(self, now: float) -> None:
        """All speech that was queued has left for the caller."""
        self.stats.underruns += self.session.unfinished
        self.recording.heard(now)
        self.tools.heard(now)
        self.fallback.heard(now)
        self.timeouts.heard(now)

    def hang_up(self, outcome: Outcome, now: float, problem: str | None = None, bridged: bool | None = None) -> None:
        """End the call from our side, whatever it is doing."""
        if self.state is CallState.ENDED:
            return
        if self.state is CallState.RINGING:
            self.leg.reject(480, {})
        self.leg.hang_up(outcome.replace("_", " "))
        self._finish(events.Ended(outcome, problem=problem, bridged=bridged), now)

    # the agent's side

    def receive(self, event: Event, now: float) -> None:
        match event:
            case AudioDelta():
                self.fallback.spoken_again()
                if not self.setup.heard:
                    self.setup.first_audio(now)
                if self._turn_ended is not None:
                    self.stats.answered(now - self._turn_ended)
                    self._turn_ended = None
                listener = self.leg if self.state is CallState.ANSWERED else self.transfer and self.transfer.listener
                if listener and not self.commands.agent_muted:
                    listener.play(event.item_id, event.content_index, event.audio)
            case SpeechStarted() if self.talking and self.leg.echoes():
                self._heard_itself(now)
            case SpeechStarted():
                self._turn_ended = None
                self._turns[event.item_id] = now
                if len(self._turns) > MOST_TURNS:
                    del self._turns[next(iter(self._turns))]
                self.emit(events.SpeechStarted(audio_start_ms=event.at_ms), now)
                self.timeouts.spoke()
                self.barge_in.started(now)
            case SpeechStopped():
                self.emit(events.SpeechStopped(audio_end_ms=event.at_ms), now)
                self._turn_ended = now
                self.timeouts.stopped(now)
                self.barge_in.stopped(now)
            case Transcript():
                self._transcript(event, now)
                if event.role == "user":
                    self.rules.said(event.text, now)
                    self.barge_in.words(event.text, now)
            case ResponseDone():
                self._response_done(event, now)
            case ProviderFault():
                self._fault(event, now)
            case Reverted():
                self._use_agent(event.agent)
                self.emit(events.AgentUpdateRefused(agent=event.agent.name), now)
            case Unreached() | Broken() | Restored() | Renewed() | Lost():
                self.fallback.receive(event, now)

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

    def heard_here(self, now: float) -> None:
        """Our own detector hears the caller over the agent, maybe before the provider does."""
        if self.talking and not self.leg.echoes():
            self.emit(events.SpeechHeard(), now)
            self.barge_in.started(now, by_provider=False)

    def blocked(self, tool: str, seconds: float, now: float) -> None:
        """A tool of this call has kept the loop, and with it all calls, from their work."""
        self.stats.blocked_ms += round(seconds * 1000)
        self.emit(events.ToolBlocked(name=tool, ms=round(seconds * 1000)), now)

    def _heard_itself(self, now: float) -> None:
        """The provider took the agent's own words, which the line sent back, for the caller's."""
        self.stats.echoes += 1
        if self.stats.echoes == 1:
            self.emit(events.EchoDetected(), now)
        self.session.steer({"type": "input_audio_buffer.clear"})  # nobody has said that

    def interrupt(self, now: float, by_speech: bool) -> None:
        """Stop talking before the next frame, and tell the provider how much was heard."""
        if self.recording.announcing:
            return
        self.barge_in.settle()
        playing = not self.leg.silent
        heard: list[Heard] = self.session.interrupt(self.leg.flush(), by_speech)
        if playing:
            self.stats.interruptions += 1
            if heard:
                item_id = heard[0].item_id
                self.emit(events.Interrupted(item_id, heard[0].ms, self.session.heard_of(item_id)), now)
            else:
                self.emit(events.Interrupted(), now)
        self.tools.interrupted(now)

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
        self.recording.response_done(event.status, now)
        if event.status in ("failed", "incomplete"):
            self.stats.provider_faults += 1
            if self.stats.provider_faults <= MAX_FAULTS:
                self.emit(events.ResponseFailed(status=event.status, problem=event.problem[:MAX_MESSAGE]), now)
            if not event.spoke:
                self.fallback.gap(now)
        for call in event.calls:
            self.tools.use(call, now)

    # transfer

    def begin_transfer(self, transfer: Transfer, now: float) -> None:
        if self.state is not CallState.ANSWERED:
            return
        self.state, self.transfer = CallState.TRANSFERRING, transfer
        self.commands.settle()
        self.emit(events.TransferStarted(target=transfer.name, uri=transfer.target), now)
        transfer.begin(now)

    def transfer_moved(self, progress: Progress, now: float) -> None:
        if self.transfer and self.state is CallState.TRANSFERRING:
            self.transfer.moved(progress, now)

    def transfer_failed(self, problem: str, status: int, now: float) -> None:
        """The caller is with the agent again, who has to know why."""
        assert self.transfer is not None
        transfer, self.transfer = self.transfer, None
        self.state = CallState.ANSWERED
        self._timers.cancel("told")
        self.commands.settle()
        self.emit(events.TransferFailed(target=transfer.name, status=status, problem=problem), now)
        if self.fallback.active:
            self.fallback.end(now)
            return
        failed = f"the transfer to {transfer.name} failed: {problem}"
        if transfer.asked_by:
            self.tools.answer(transfer.asked_by, failure(failed), now)
        else:  # the model did not ask for it, and has to know what the caller has heard of it
            self.session.add_text(f"[TRANSFER] {failed}", "system")
            self.session.create_response()

    def bridged(self, now: float) -> None:
        """The caller and the target of the transfer talk with each other: the agent has done its work."""
        assert self.transfer is not None
        self.state = CallState.BRIDGED
        self.emit(events.Bridged(target=self.transfer.name), now)
        self.session.close()

    def refer(self, target: str, replaces: str, referred_by: str, now: float) -> None:
        """The caller's side wants somebody else to talk with the agent."""
        if self.state is not CallState.ANSWERED or self.ending or self.follow_refer:
            self.leg.tell_referrer(603)
            return
        self.follow_refer = FollowRefer(self, target, replaces, referred_by)
        self.follow_refer.begin(now)

    def _left(self) -> bool:
        """Whether a caller who hangs up in a transfer has followed it, and not given up waiting."""
        return self.transfer is not None and self.transfer.stage in (Stage.REFERRING, Stage.JOINING)

    def replaced(self, caller: str, now: float) -> None:
        """Somebody else is the caller now, which the model has to know."""
        self.hold.render(anew=True)
        if self.commands.input_muted:
            self.commands.settle()
        self.emit(events.Replaced(caller=caller), now)
        self.session.add_text(f"[CALLER] {caller}")

    def set_agent(self, agent: Agent, now: float) -> None:
        """Another agent, or the same one with other settings, has the call from now on."""
        self._use_agent(agent)
        self.emit(events.AgentUpdated(agent=agent.name), now)

    def _use_agent(self, agent: Agent) -> None:
        self.agent, self.variables = agent, self.info.variables(agent.name)

    def update_agent(self, agent: str, settings: Mapping[str, Any]) -> None:
        """Have another agent come, or this one with other settings."""
        self.act(UpdateAgent(agent, settings))

    def act(self, action: Action) -> None:
        self._actions.append(action)

    @property
    def talking(self) -> bool:
        """The caller and the agent hear each other."""
        return self.state is CallState.ANSWERED

    @property
    def ended(self) -> bool:
        return self.state is CallState.ENDED

    @property
    def ending(self) -> bool:
        """What is being said announces a transfer or the end."""
        return self.tools.announcing

    # endings

    def _finish(self, ended: events.Ended, now: float) -> None:
        self.state = CallState.ENDED
        self.stats.outcome, self.stats.ended_at = ended.outcome, now + self._epoch
        for timer in ("announced", "digits", "told", "gap", "prompted", "slow", *TIMERS, *WAITS):
            self._timers.cancel(timer)
        errands = [partial(one.close, "the call has ended") for one in (self.transfer, self.follow_refer) if one]
        finish(
            self, *errands, self.recording.close, self.rules.close, self.session.close, self._keep_stats, self.leg.close
        )
        self.emit(ended, now)
        self._actions.append(Finished())

    def _keep_stats(self) -> None:
        self.stats.media = self.leg.stats()

    def emit(self, event: events.EventData, now: float) -> None:
        self._actions.append(events.CallEvent.of(self.info.call_id, now + self._epoch, event))
