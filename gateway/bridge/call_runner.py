"""One call with everything that runs for it: its legs, its agent's session, its tasks."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from gateway import events
from gateway.agents import Agent, with_changes
from gateway.bridge.call.call import Action, Call, Finished
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.call.leg import LegEvents
from gateway.bridge.call.recording import RecordingCommand
from gateway.bridge.call.tool_use import UpdateAgent
from gateway.bridge.call.transfer import DialSecondLeg, ReleaseSecondLeg, ReplaceCallerLeg
from gateway.bridge.legs.second_leg import SecondLeg
from gateway.bridge.legs.sip_leg import SipLeg, open_leg
from gateway.bridge.media.caller_audio import CallerAudio
from gateway.bridge.media.fill_audio import FillAudio
from gateway.bridge.media.recorder import Tape
from gateway.bridge.provider_connection import ProviderConnection
from gateway.bridge.reasons import BY_CAUSE, outcome_of
from gateway.bridge.session_config import variant_for
from gateway.bridge.tools import runner
from gateway.bridge.tools.built_in import failure
from gateway.call_record import CallState
from gateway.cleanup import finish
from gateway.codecs import CODECS, Law
from gateway.errors import GatewayError, ToolError
from gateway.events import CallEvent
from gateway.machine import Driver
from gateway.outcomes import Outcome
from gateway.sip import (
    Answered,
    Confirmed,
    Digit,
    Ended,
    Event,
    OutgoingInvite,
    Progress,
    Reanswered,
    ReferProgress,
    Referred,
    Rejected,
    Reoffered,
    ReofferRefused,
    Session,
    Trunk,
    UasSession,
)

if TYPE_CHECKING:
    from gateway.bridge.switchboard import Switchboard

log = structlog.get_logger("gateway.calls")

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """Whom to call, and who talks with them. `variables` are for the agent's texts, as {{var.NAME}}."""

    agent: str
    order: OutgoingInvite
    variables: dict[str, str] = field(default_factory=dict)


class CallRunner:
    """Made for an INVITE that came, or for an order to send one."""

    def __init__(self, switchboard: Switchboard, info: CallInfo, trunk: Trunk | None) -> None:
        self._switchboard, self.info, self.trunk = switchboard, info, trunk
        self.number = next(_numbers)
        self.call: Call | None = None
        self.leg: SipLeg | None = None
        self._second: SecondLeg | None = None
        self._tape = Tape(self, switchboard.settings.recordings, switchboard.threads)
        self.provider = ProviderConnection(self, switchboard)
        self._driver: Driver[Action] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.sessions: list[Session] = []
        self._began = time.time()
        self.closed = False
        self.log = log.bind(call_id=info.call_id)

    def feed(self, action: Callable[[Call, float], None]) -> None:
        """Give the call one input, then do what it wants."""
        if self.call and self._driver:
            action(self.call, self._driver.now())
            self._driver.drain()

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # how it begins

    async def take(self, session: UasSession) -> None:
        """From the INVITE to a call with an agent that is ready; any error on the way refuses the call."""
        try:
            agent, variant = variant_for(self._switchboard.agent_for(self.info), self.info.caller.user)
            self.info = replace(self.info, variant=variant)
            self.leg = leg = self._make_leg(agent)
            await self._read_offer(leg, session)
            self._begin(agent, leg, Call.start)
            if agent.definition.application:
                accepted = await self.provider.accepted(agent, leg)
                if accepted is None:
                    return
                agent = accepted
            await self.provider.find(agent, leg)
            self.talk(leg)
        except Exception as error:  # boundary: whatever goes wrong here refuses this call and no other
            self._refuse(error, session)

    async def dial(self, order: OutboundCall) -> None:
        """First the agent, then the INVITE: nobody's telephone rings without somebody to talk with."""
        try:
            agent, variant = variant_for(self._switchboard.agent(order.agent), self.info.called.user)
            self.info = replace(self.info, variant=variant)
            self.leg = leg = self._make_leg(agent)
            await self._open(leg)
            self._begin(agent, leg, Call.dial)
            await self.provider.find(agent, leg)
            session = leg.call(order.order)
            self._switchboard.listen_to(session, self)
            self.info = replace(self.info, sip_call_id=session.dialog.call_id)
            self.feed(lambda call, now: call.known_as(self.info, now))
        except Exception as error:
            self._refuse(error, None)

    async def replace(self, session: UasSession) -> None:
        """Somebody else takes the caller's place in this call (RFC 3891)."""
        old = self.leg
        try:
            assert self.call is not None
            assert old is not None
            leg = self._make_leg(self.call.agent)
            try:
                await self._read_offer(leg, session)
            except BaseException:
                leg.close()
                raise
            self._succeed(old, leg, "replaced")
            leg.answer()
            self.talk(leg)
            if self._second and self._second.leg and self.call.state is CallState.BRIDGED:
                leg.join(self._second.leg)
            self.feed(lambda call, now: call.replaced(str(session.request.from_.uri), now))
        except Exception as error:
            self._switchboard.reject(session, self._switchboard.reason_of(error))
            self.log.warning("call.not_replaced", problem=str(error), exc_info=not isinstance(error, GatewayError))

    async def _read_offer(self, leg: SipLeg, session: UasSession) -> None:
        """What cannot be agreed on costs no port."""
        leg.use(session)
        await leg.find_names(session.offer)
        leg.take(session)
        await self._open(leg)
        leg.take(session)

    def _succeed(self, old: SipLeg, leg: SipLeg, why: str) -> None:
        assert self.call is not None
        self.leg = self.call.leg = leg
        leg.succeed(old, self.provider.hears)
        self._listen(leg)
        old.hang_up(why)
        self.leave(old)

    def _begin(self, agent: Agent, leg: SipLeg, first: Callable[[Call, float], None]) -> None:
        now = asyncio.get_running_loop().time()
        client, prompt = self.provider.client(agent, leg), self._switchboard.settings.prompts.get(agent.name)
        self.call = call = Call(self.info, agent, leg, client, now, self._switchboard.epoch, prompt)
        self._driver = Driver(call, self._perform)
        leg.events = LegEvents(
            digit=lambda digit: self.feed(lambda call, now: call.digit(digit, now)),
            drained=lambda: self.feed(Call.drained),
            held=lambda on: self.feed(lambda call, now: call.commands.held_by_party(on, now)),
            broken=lambda outcome, problem: self.feed(lambda call, now: call.hang_up(outcome, now, problem=problem)),
        )
        self._listen(leg)
        self.feed(first)

    def _listen(self, leg: SipLeg) -> None:
        """With our own ears too, where the agent wants it."""
        if self.call and (after_ms := self.call.agent.definition.barge_in.local_ms):
            leg.find_speech(after_ms, lambda: self.feed(Call.heard_here))

    def _make_leg(self, agent: Agent, heard_by: Callable[[bytes], None] | None = None) -> SipLeg:
        settings, trunk = self._switchboard.settings, self.trunk
        codecs = tuple(CODECS[name] for name in (trunk and trunk.codecs) or settings.codecs)
        if agent.definition.audio == "g711":
            codecs = tuple(one for one in codecs if isinstance(one.sound, Law)) or codecs
        caller_audio = CallerAudio(
            codecs[0].sound, settings.chunk_ms, heard_by or self.provider.hears, self._switchboard.upsample
        )
        srtp = (trunk and trunk.srtp) or settings.srtp
        ptime_ms = (trunk and trunk.ptime_ms) or settings.ptime_ms
        fill_audio = FillAudio(settings.hold_audio, settings.comfort_noise_dbm0)
        access = self._switchboard.access
        leg = SipLeg(self._switchboard.user_agent, codecs, caller_audio, trunk, srtp, ptime_ms, fill_audio, access)
        leg.listen_early = agent.definition.listen_early
        if settings.echo_guard:
            leg.watch_for_echo()
        if self.provider.law:
            leg.pass_on(self.provider.law)
        return leg

    async def _open(self, leg: SipLeg) -> None:
        await open_leg(leg, self._switchboard.media, self._switchboard.ports)
        if self.closed:  # the call ended while the port was being opened
            leg.close()

    @property
    def legs(self) -> list[SipLeg]:
        """All that hold a port."""
        return [leg for leg in (self.leg, self._second and self._second.leg) if leg]

    async def open_second(self) -> SipLeg:
        """A leg that the agent does not hear yet. Raises NoMediaPort."""
        assert self.call is not None
        leg = self._make_leg(self.call.agent, heard_by=lambda chunk: None)
        await self._open(leg)
        return leg

    def listen_to(self, session: Session) -> None:
        self._switchboard.listen_to(session, self)

    def leave(self, leg: SipLeg) -> None:
        finish(leg, lambda: self._switchboard.clock.leave(leg), leg.close)

    def talk(self, leg: SipLeg) -> None:
        """Its media begins."""
        if leg.rtp and not leg.clock and self.call and self.call.state is not CallState.ENDED:
            leg.clock = self._switchboard.clock
            leg.clock.join(leg)

    def _refuse(self, error: Exception, session: UasSession | None) -> None:
        reason = self._switchboard.reason_of(error)
        if not isinstance(error, GatewayError):
            self.log.exception("call.bug", exc_info=error)
        if self.call:
            self.feed(lambda call, now: call.refuse(error, reason, now))
            return
        if session:
            self._switchboard.reject(session, reason)
        self.refused(reason.outcome, str(error), reason.status)

    def record(self) -> dict[str, Any]:
        if self.call:
            return self.call.record()
        state = CallState.DIALING if self.info.direction == "outbound" else CallState.INCOMING
        times = {"started_at": self._began, "ended_at": None}
        return {**self.info.identity(), "state": str(state), **times, "outcome": ""}

    def _update_agent(self, name: str, settings: Mapping[str, Any]) -> None:
        assert self.call is not None
        try:
            agent = variant_for(self._switchboard.agent(name), self.info.caller.user)[0] if name else self.call.agent
            self.configure(with_changes(agent, settings) if settings else agent)
        except GatewayError as error:  # all stays as it was
            self.log.error("call.not_updated", problem=str(error))

    def configure(self, agent: Agent) -> None:
        """From now on the call's agent is this one."""
        self.feed(lambda call, now: call.set_agent(agent, now))
        if self.leg:
            self.provider.configure(agent, self.leg)

    def hang_up(self, outcome: Outcome) -> None:
        """From outside, whatever it is doing."""
        if self.call:
            self.feed(lambda call, now: call.hang_up(outcome, now))
            return
        for session in self.sessions:
            self._switchboard.user_agent.act(session.bye)
        self.refused(outcome, "", 480)

    def refused(self, outcome: Outcome, problem: str, status: int) -> None:
        """The record of a call that never came to be one."""
        now = time.time()
        times = {"started_at": self._began, "ended_at": now}
        record = {**self.info.identity(), "state": str(CallState.ENDED), **times, "outcome": outcome}
        ended = events.Ended(outcome, status, problem)
        self._switchboard.tell(CallEvent.of(self.info.call_id, now, ended), record)
        self.close()

    # from the telephone

    def receive(self, event: Event) -> None:
        if self._second and event.session is self._second.session:
            self._second.receive(event)
            return
        match event:
            case Confirmed(body=body):
                self._confirmed(body)
            case Progress(body=body, status=status):
                if body and (leg := self.leg):
                    self.once_named(leg, body, partial(self._early, leg, body))
                self.feed(lambda call, now: call.ringing(status, now))
            case Answered(body=body) if leg := self.leg:
                self.once_named(leg, body, partial(self._answered, leg, body))
            case Rejected():
                outcome, problem = outcome_of(event), f"{event.status} {event.phrase}"
                self.feed(lambda call, now: call.not_reached(outcome, event.status, problem, now))
            case Reoffered(body=body) | Reanswered(body=body) if leg := self.leg:
                self.once_named(leg, body, partial(self.media_changed, leg, event))
            case ReofferRefused() if self.leg:
                self.media_changed(self.leg, event)
            case Digit(digit=digit):
                self.feed(lambda call, now: call.digit(digit, now))
            case Ended():
                outcome = BY_CAUSE[event.cause]
                self.feed(lambda call, now: call.leg_ended(outcome, event.reason, now))
                if self.call is None:  # the caller gave up before there was a call
                    self.refused(Outcome.CANCELLED, "", 487)
            case ReferProgress(session) if session.outgoing_refer:
                progress = session.outgoing_refer
                self.feed(lambda call, now: call.transfer_moved(progress, now))
            case Referred(incoming_refer=asked):
                target = str(asked.target)
                self.feed(lambda call, now: call.refer(target, asked.replaces, asked.referred_by, now))

    def once_named(self, leg: SipLeg, body: bytes, then: Callable[[], None]) -> None:
        """Read a description: at once, as nearly all can be, or when the names in it have been looked up."""
        if not leg.has_names(body):
            then()
            return

        async def later() -> None:
            await leg.find_names(body)
            then()

        self.spawn(later())

    def _confirmed(self, body: bytes) -> None:
        if leg := self.leg:
            self.once_named(leg, body, lambda: self._take_answer(leg, body))

    def _take_answer(self, leg: SipLeg, body: bytes) -> None:
        try:
            leg.take_answer(body)
        except GatewayError as error:
            self._hang_up_over(error)
            return
        self.feed(lambda call, now: call.setup.confirmed(now))

    def _early(self, leg: SipLeg, body: bytes) -> None:
        """Early media is somebody else's announcement: agreed on, and not for the agent's ears."""
        try:
            leg.answered(body)
        except GatewayError as error:  # the 200 may say it better
            self.log.warning("call.early_media_unusable", problem=str(error))

    def _answered(self, leg: SipLeg, body: bytes) -> None:
        try:
            leg.answered(body)
        except GatewayError as error:
            self._hang_up_over(error)
            return
        self.talk(leg)
        self.feed(Call.picked_up)

    def _hang_up_over(self, error: GatewayError) -> None:
        problem, outcome = str(error), self._switchboard.reason_of(error).outcome
        self.feed(lambda call, now: call.hang_up(outcome, now, problem=problem))

    def media_changed(self, leg: SipLeg, event: Reoffered | Reanswered | ReofferRefused) -> None:
        try:
            match event:
                case Reoffered():
                    leg.reoffered(event)
                case Reanswered(body=body):
                    leg.reanswered(body)
                case ReofferRefused():
                    leg.reoffer_refused()
        except GatewayError as error:  # the session stays as it was
            self.log.warning("call.reoffer_refused", problem=str(error))
            reason = self._switchboard.reason_of(error)
            status = 488 if reason.status >= 500 else reason.status
            self._switchboard.user_agent.act(lambda now: event.session.refuse_reoffer(status, now, reason.headers))

    # from the agent and the call

    def _perform(self, action: Action) -> None:
        assert self.call is not None
        match action:
            case CallEvent():
                self._switchboard.tell(action, self.call.record())
            case runner.RunTool():
                self.spawn(self._run_tool(action))
            case DialSecondLeg():
                self._second = SecondLeg(self, action)
                self.spawn(self._second.dial())
            case ReleaseSecondLeg():
                self._dismiss()
            case ReplaceCallerLeg() if self.leg and self._second:
                second, self._second = self._second, None
                self._succeed(self.leg, second.release(), "transferred")
            case RecordingCommand(what):
                self._tape.do(what)
            case UpdateAgent(name, settings):
                self._update_agent(name, settings)
            case Finished():
                self.close()

    async def _run_tool(self, action: runner.RunTool) -> None:
        assert self.call is not None
        try:
            seconds = self.call.agent.definition.tool_timeout_seconds
            output = await runner.run(action, self.info, seconds)
        except ToolError as error:
            output = failure(error.problem)
        self.feed(lambda call, now: call.tools.done(action.call_id, action.tool.name, output, now))

    def _dismiss(self) -> None:
        second, self._second = self._second, None
        if second:
            second.dismiss()

    def close(self) -> None:
        """Give back what it holds. The call, if there is one, has ended."""
        self.closed = True
        finish(
            f"call {self.info.call_id}",
            lambda: self._switchboard.forget(self),
            self._dismiss,
            *(partial(self.leave, leg) for leg in (self.leg,) if leg),
            *(driver.close for driver in (self._driver,) if driver),
            self.provider.close,
            self._cancel_tasks,
        )

    def _cancel_tasks(self) -> None:
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
