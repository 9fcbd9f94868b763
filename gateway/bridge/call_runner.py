"""One call with everything that runs for it: its legs, its agent's session, its tasks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from gateway import events
from gateway.agents import Agent, expand, with_changes
from gateway.bridge import lookup
from gateway.bridge.call.actions import (
    Action,
    AnswerTurns,
    ConnectAgent,
    DialSecondLeg,
    Finished,
    MakeSound,
    MessageCommand,
    Overhear,
    RecordingCommand,
    ReleaseAgent,
    ReleaseSecondLeg,
    ReplaceCallerLeg,
    RunTool,
    UpdateAgent,
)
from gateway.bridge.call.call import Call
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.call.leg import LegEvents
from gateway.bridge.legs.second_leg import SecondLeg
from gateway.bridge.legs.sip_leg import SipLeg, open_leg
from gateway.bridge.media.caller_audio import CallerAudio
from gateway.bridge.media.fill_audio import FillAudio
from gateway.bridge.media.overheard import Overheard
from gateway.bridge.media.recorder import CallRecorder, MessageRecorder
from gateway.bridge.provider_connection import ProviderConnection
from gateway.bridge.reasons import BY_CAUSE, another_trunk_may_help, outcome_of
from gateway.bridge.resources import Resources
from gateway.bridge.router import Route
from gateway.bridge.session_config import variant_for
from gateway.bridge.tools import runner
from gateway.bridge.tools.built_in import failure, output_of
from gateway.call_record import CallState
from gateway.cleanup import finish
from gateway.codecs import CODECS, Codec, Law
from gateway.destinations import Destination
from gateway.errors import GatewayError, ToolError, TrunkBusy
from gateway.events import CallEvent, EventData
from gateway.machine import Driver
from gateway.outcomes import Outcome
from gateway.prompts import Sound, Words
from gateway.sip import (
    Answered,
    Cause,
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

log = structlog.get_logger("gateway.calls")

T = TypeVar("T")

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """Whom to call, and who talks with them. `variables` are for the agent's texts, as {{var.NAME}}. `others` are
    trunks to try where that of the INVITE cannot take it."""

    agent: str
    invite: OutgoingInvite
    variables: dict[str, str] = field(default_factory=dict)
    others: tuple[Trunk, ...] = ()


class Owner(Protocol):
    """Who has all calls of the node: `gateway.bridge.switchboard`."""

    def route_for(self, info: CallInfo) -> Route:
        """Where a call goes that comes in. Raises Draining, NoRoute."""

    def resolve(self, to: Destination, at: float) -> Destination: ...
    def agent_for(self, name: str) -> Agent:
        """Raises NoSuchAgent, AgentBusy."""

    def trunks_for_second(self, target: str, own: Trunk | None, name: str = "") -> list[Trunk]:
        """Raises NoSuchTrunk."""

    def tell(self, event: CallEvent, record: dict[str, Any]) -> None: ...
    def listen_to(self, session: Session, runner: CallRunner) -> None:
        """What happens in `session` is for `runner`."""

    def forget(self, runner: CallRunner) -> None: ...


class CallRunner:
    """Made for an INVITE that came, or for one to be sent."""

    def __init__(self, resources: Resources, owner: Owner, info: CallInfo, trunk: Trunk | None) -> None:
        self._resources, self._owner, self.trunk = resources, owner, trunk
        self.number = next(_numbers)
        self.provider = ProviderConnection(self, resources)
        self._tasks: set[asyncio.Task[None]] = set()
        self.sessions: list[Session] = []
        self.closed = False
        self.log = log.bind(call_id=info.call_id)
        self._second: SecondLeg | None = None
        self._ways: list[OutgoingInvite] = []  # what is left to try
        self._overheard: Overheard | None = None
        leg = self._make_leg(self.provider.hears, trunk)
        now = asyncio.get_running_loop().time()
        self.call = Call(info, leg, now, resources.epoch, resources.settings.places, owner.resolve)
        self._driver: Driver[Action] = Driver(self.call, self._perform)
        self._call_recorder = CallRecorder(self, resources.settings.recordings, resources.threads)
        self._messages = MessageRecorder(self, resources.settings.recordings, resources.threads)
        leg.events = LegEvents(
            digit=lambda digit: self.feed(lambda call, now: call.digit(digit, now)),
            drained=lambda: self.feed(Call.drained),
            held=lambda on: self.feed(lambda call, now: call.held_by_caller(on, now)),
            broken=lambda outcome, problem: self.feed(lambda call, now: call.hang_up(outcome, now, problem=problem)),
            spoke=self._spoke,
        )

    def _spoke(self) -> None:
        """A voice, while no agent hears it."""
        if self._overheard:
            self._overheard.voiced = True
        self.feed(Call.voice_heard)

    @property
    def info(self) -> CallInfo:
        return self.call.info

    @property
    def leg(self) -> SipLeg:
        """The caller's."""
        assert isinstance(self.call.leg, SipLeg)
        return self.call.leg

    def feed(self, action: Callable[[Call, float], T]) -> T:
        """Give the call one input, do what it wants, and return what the input said."""
        found = action(self.call, self._driver.now())
        self._driver.drain()
        return found

    # what is recorded

    @property
    def call_id(self) -> str:
        return self.call.info.call_id

    def recorded_leg(self) -> SipLeg:
        return self.leg

    def recording_moved(self, event: EventData) -> None:
        self.feed(lambda call, now: call.emit(event, now))

    def message_failed(self, problem: str) -> None:
        self.log.error("call.message_failed", problem=problem)
        self.feed(lambda call, now: call.voicemail.failed(problem, now))

    def recording_failed(self, problem: str) -> None:
        self.log.error("call.recording_failed", problem=problem)
        self.feed(lambda call, now: call.recording.failed(problem, now))

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # how it begins

    async def take(self, session: UasSession) -> None:
        """From the INVITE to a call with an agent that is ready; any error on the way refuses the call."""
        self.leg.use(session)
        try:
            route = self._owner.route_for(self.info)
            to = self.call.resolve(route.to, self._driver.now())
            agent = self._agent_at(to, route.otherwise)
            if agent is None:
                self.leg.heard_by(None)
                await self._read_offer(self.leg, session)
                self.feed(lambda call, now: call.attend(route.to, route.otherwise, now))
                if self.leg.ringing or self.leg.early:
                    self.start_media(self.leg)
                return
            agent, variant = variant_for(agent, self.info.caller.user)
            self._use_codecs_of(agent, self.leg)
            await self._read_offer(self.leg, session)
            self.call.attendant.otherwise = route.otherwise
            self._begin(agent, variant)
            self.call.setup.looking = agent.definition.lookup is not None
            self.feed(Call.ring)
            if self.leg.ringing:
                self.start_media(self.leg)
            agent = await self._look_up(agent)
            if agent.definition.application:
                accepted = await self.provider.accepted(agent, self.leg)
                if accepted is None:
                    return
                agent = accepted
            await self.provider.find(agent, self.leg)
        except Exception as error:  # boundary: whatever goes wrong here refuses this call and no other
            self._refuse(error)

    def _agent_at(self, to: Destination, otherwise: Destination | None) -> Agent | None:
        """None where there is none, or where its calls are as many as they may be and there is another way."""
        if to.kind != "agent":
            return None
        try:
            return self._owner.agent_for(to.name)
        except GatewayError:
            if otherwise is None:
                raise
            return None

    async def _connect(self, name: str, answers: bool) -> None:
        """An agent for a call that was somewhere else before, which `answers` what it has said there."""
        try:
            agent, variant = variant_for(self._owner.agent_for(name), self.info.caller.user)
            client = self.provider.client(agent, self.leg)
            overheard, self._overheard = self._overheard if answers else None, None
            if overheard is None:
                self.leg.heard_by(self.provider.hears)
            elif self.provider.law:
                overheard.pass_on(self.provider.law)
            agent = await self._look_up(agent, begun=False)
            prompt = self._resources.settings.prompts.get(agent.name)
            self.feed(lambda call, now: call.agent_connects(agent, client, prompt, variant, now, greets=not answers))
            self._listen(self.leg)
            await self.provider.find(agent, self.leg)
            if overheard and not self.call.ended:
                self.provider.hears(overheard.take())
                self.leg.heard_by(self.provider.hears)
        except Exception as error:  # boundary: the caller goes where the menu says, or the call ends
            if self.call.ended:
                return
            if not isinstance(error, GatewayError):
                self.log.exception("call.bug", exc_info=error)
            problem, outcome = str(error), self._resources.reason_of(error).outcome
            self.feed(lambda call, now: call.attendant.failed(problem, outcome, now))

    async def _look_up(self, agent: Agent, begun: bool = True) -> Agent:
        """Who has the call after the agent's `lookup` was asked; any fault of it leaves all as it is."""
        rules = agent.definition.lookup
        if rules is None:
            return agent
        began = asyncio.get_running_loop().time()
        try:
            known = self.info.variables(agent.name)
            arguments = output_of({name: expand(text, known) for name, text in rules.arguments.items()})
            answer = await runner.run(agent.tools[rules.tool], "lookup", arguments, self.info, rules.seconds)
            found = lookup.read(answer)
            new = variant_for(self._resources.agent(found.agent), self.info.caller.user)[0] if found.agent else agent
            new = lookup.greeted(new, found.greeting) if found.greeting else new
        except (GatewayError, ValueError) as error:
            problem = str(error)
            self.feed(lambda call, now: call.emit(events.LookupFailed(problem), now))
            found, new = lookup.Found(), agent
        else:
            ms = round((asyncio.get_running_loop().time() - began) * 1000)
            told = events.LookedUp(ms, list(found.variables), found.agent or None, bool(found.greeting) or None)
            self.feed(lambda call, now: call.emit(told, now))
        if self.call.ended:
            raise asyncio.CancelledError
        if begun:
            prompt = self._resources.settings.prompts.get(new.name)
            self.feed(lambda call, now: call.learn(found.variables, new, prompt, now))
        else:
            self.call.info = replace(self.call.info, own={**self.call.info.own, **found.variables})
        self.provider.configure(new, self.leg)
        if begun:
            self.feed(lambda call, now: call.setup.looked_up(now))
        return new

    def _release_agent(self) -> None:
        """What comes next has a connection of its own."""
        self.provider.close()
        self.provider = ProviderConnection(self, self._resources)
        self.leg.pass_on_nothing()
        self.leg.heard_by(None)
        self.leg.find_no_speech()

    async def dial(self, asked: OutboundCall) -> None:
        """First the agent's session, then the INVITE: a telephone rings only when an agent is ready."""
        try:
            agent, variant = variant_for(self._resources.agent(asked.agent), self.info.called.user)
            self._use_codecs_of(agent, self.leg)
            await self._open(self.leg)
            self._begin(agent, variant)
            self.feed(Call.dial)
            agent = await self._look_up(agent)
            await self.provider.find(agent, self.leg)
            self._ways = [replace(asked.invite, trunk=one) for one in asked.others]
            self._invite(asked.invite)
        except Exception as error:
            self._refuse(error)

    def _invite(self, invite: OutgoingInvite) -> None:
        """Raises SipParseError, NotLoggedIn, TrunkBusy."""
        try:
            session = self.leg.call(invite)
        except TrunkBusy as error:
            if not self._try_next_trunk(503, str(error)):
                raise
            return
        self._owner.listen_to(session, self)
        self.feed(lambda call, now: call.dialed(session.dialog.call_id, now))

    def _try_next_trunk(self, status: int, problem: str) -> bool:
        """False where there is none, or somebody's telephone rings already."""
        if not self._ways or self.call.state is not CallState.DIALING:
            return False
        invite = self._ways.pop(0)
        self.trunk = invite.trunk
        self.feed(lambda call, now: call.next_trunk(invite.trunk.name, status, problem, now))
        self.use_trunk(self.leg, invite.trunk)
        self._invite(invite)
        return True

    async def replace(self, session: UasSession) -> None:
        """An INVITE with Replaces takes the caller's place in this call (RFC 3891)."""
        old = self.leg
        try:
            leg = self._make_leg(self.provider.hears, self.trunk)
            self._use_codecs_of(self.call.agent, leg)
            leg.use(session)
            try:
                await self._read_offer(leg, session)
            except BaseException:
                leg.close()
                raise
            self._succeed(old, leg, "replaced")
            leg.answer()
            self.start_media(leg)
            if self._second and self._second.leg and self.call.state is CallState.BRIDGED:
                leg.join(self._second.leg)
            self.feed(lambda call, now: call.replaced(str(session.request.from_.uri), now))
        except Exception as error:
            self._resources.reject(session, self._resources.reason_of(error))
            self.log.warning("call.not_replaced", problem=str(error), exc_info=not isinstance(error, GatewayError))

    async def _read_offer(self, leg: SipLeg, session: UasSession) -> None:
        """What cannot be agreed on costs no port."""
        await leg.find_names(session.offer)
        leg.take(session)
        await self._open(leg)
        leg.take(session)

    def _succeed(self, old: SipLeg, leg: SipLeg, why: str) -> None:
        self.call.leg = leg
        leg.succeed(old, self.provider.hears)
        if self.call.attendant.active:
            leg.heard_by(self._overheard)
        self._listen(leg)
        old.hang_up(why)
        self.leave(old)

    def _begin(self, agent: Agent, variant: str) -> None:
        client, prompt = self.provider.client(agent, self.leg), self._resources.settings.prompts.get(agent.name)
        self.call.begin(agent, client, prompt, variant)
        self._listen(self.leg)

    def _listen(self, leg: SipLeg) -> None:
        """With our own ears too, where the agent wants it."""
        leg.find_no_speech()
        if after_ms := self.call.agent.definition.barge_in.local_ms:
            leg.find_speech(after_ms, lambda: self.feed(Call.speech_heard))

    def _make_leg(self, heard_by: Callable[[bytes], None], trunk: Trunk | None) -> SipLeg:
        settings = self._resources.settings
        codecs = self._codecs_of(trunk)
        caller_audio = CallerAudio(codecs[0].sound, settings.chunk_ms, heard_by, self._resources.upsample)
        srtp = (trunk and trunk.srtp) or settings.srtp
        ptime_ms = (trunk and trunk.ptime_ms) or settings.ptime_ms
        fill_audio = FillAudio(settings.hold_audio, settings.comfort_noise_dbm0)
        resources = self._resources
        leg = SipLeg(
            resources.user_agent,
            codecs,
            caller_audio,
            trunk,
            srtp,
            ptime_ms,
            fill_audio,
            resources.access,
            resources.sounds,
        )
        if settings.echo_guard:
            leg.watch_for_echo()
        if self.provider.law:
            leg.pass_on(self.provider.law)
        return leg

    def use_trunk(self, leg: SipLeg, trunk: Trunk) -> None:
        """A leg that has agreed on nothing yet goes by this one instead."""
        settings = self._resources.settings
        leg.use_trunk(trunk, self._codecs_of(trunk), trunk.srtp or settings.srtp, trunk.ptime_ms or settings.ptime_ms)
        self._use_codecs_of(self.call.agent, leg)

    def _codecs_of(self, trunk: Trunk | None) -> tuple[Codec, ...]:
        return tuple(CODECS[name] for name in (trunk and trunk.codecs) or self._resources.settings.codecs)

    def _use_codecs_of(self, agent: Agent, leg: SipLeg) -> None:
        """An agent that hears G.711 as it is wants it spoken, where that can be."""
        leg.listen_early = agent.definition.listen_early
        if agent.definition.audio == "g711":
            codecs = self._codecs_of(leg.trunk)
            leg.use_only(tuple(one for one in codecs if isinstance(one.sound, Law)) or codecs)

    async def _open(self, leg: SipLeg) -> None:
        await open_leg(leg, self._resources.media, self._resources.ports)
        if self.closed:  # the call ended while the port was being opened
            leg.close()

    @property
    def legs(self) -> list[SipLeg]:
        """All that hold a port."""
        return [leg for leg in (self.leg, self._second and self._second.leg) if leg]

    def trunks_for(self, target: str, name: str) -> list[Trunk]:
        """By which the second telephone is called, the first of them first. Raises NoSuchTrunk."""
        return self._owner.trunks_for_second(target, self.trunk, name)

    async def open_second(self, trunk: Trunk) -> SipLeg:
        """A leg that the agent does not hear yet. Raises NoMediaPort."""
        leg = self._make_leg(lambda chunk: None, trunk)
        self._use_codecs_of(self.call.agent, leg)
        await self._open(leg)
        return leg

    def listen_to(self, session: Session) -> None:
        self._owner.listen_to(session, self)

    def leave(self, leg: SipLeg) -> None:
        finish(leg, lambda: self._resources.clock.leave(leg), leg.close)

    def start_media(self, leg: SipLeg) -> None:
        if leg.rtp and not leg.clock and not self.call.ended:
            leg.clock = self._resources.clock
            leg.clock.join(leg)

    def _refuse(self, error: Exception) -> None:
        if self.call.ended:  # while something was waited for: what failed is nobody's concern any more
            return
        reason = self._resources.reason_of(error)
        if not isinstance(error, GatewayError):
            self.log.exception("call.bug", exc_info=error)
        self.feed(lambda call, now: call.refuse(error, reason, now))

    def _update_agent(self, name: str, settings: Mapping[str, Any]) -> None:
        try:
            agent = variant_for(self._resources.agent(name), self.info.caller.user)[0] if name else self.call.agent
            self.set_agent(with_changes(agent, settings) if settings else agent)
        except GatewayError as error:  # all stays as it was
            self.log.error("call.not_updated", problem=str(error))

    def set_agent(self, agent: Agent) -> None:
        """From now on the call's agent is this one."""
        self.feed(lambda call, now: call.set_agent(agent, now))
        self.provider.configure(agent, self.leg)

    def hang_up(self, outcome: Outcome) -> None:
        """From outside, whatever it is doing."""
        self.feed(lambda call, now: call.hang_up(outcome, now))

    # from the telephone

    def receive(self, event: Event) -> None:
        if self._second and event.session is self._second.session:
            self._second.receive(event)
            return
        leg = self.leg
        match event:
            case Confirmed(body=body):
                self.once_named(leg, body, lambda: self._take_answer(leg, body))
            case Progress(body=body, status=status):
                if body:
                    self.once_named(leg, body, partial(self._early, leg, body))
                self.feed(lambda call, now: call.ringing(status, now))
            case Answered(body=body):
                self.once_named(leg, body, partial(self._answered, leg, body))
            case Rejected():
                outcome, problem = outcome_of(event), f"{event.status} {event.phrase}"
                if self.trunk and event.cause is Cause.REFUSED:
                    problem = self.trunk.explained("INVITE", event.status, problem)
                try:
                    if another_trunk_may_help(event) and self._try_next_trunk(event.status, problem):
                        return
                except GatewayError as error:
                    self._refuse(error)
                    return
                self.feed(lambda call, now: call.not_reached(outcome, event.status, problem, now))
            case Reoffered(body=body) | Reanswered(body=body):
                self.once_named(leg, body, partial(self.media_changed, leg, event))
            case ReofferRefused():
                self.media_changed(leg, event)
            case Digit(digit=digit):
                self.feed(lambda call, now: call.digit(digit, now))
            case Ended():
                outcome = BY_CAUSE[event.cause]
                self.feed(lambda call, now: call.leg_ended(outcome, event.reason, now))
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

    def _take_answer(self, leg: SipLeg, body: bytes) -> None:
        try:
            leg.take_answer(body)
        except GatewayError as error:
            self._hang_up_over(error)
            return
        self.feed(lambda call, now: call.confirmed(now))

    def _early(self, leg: SipLeg, body: bytes) -> None:
        """SDP of a 18x: agreed on. What comes is an announcement of the network, which the agent does not hear."""
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
        self.feed(Call.picked_up)

    def _hang_up_over(self, error: GatewayError) -> None:
        problem, outcome = str(error), self._resources.reason_of(error).outcome
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
            reason = self._resources.reason_of(error)
            status = 488 if reason.status >= 500 else reason.status
            self._resources.user_agent.act(lambda now: event.session.refuse_reoffer(status, now, reason.headers))

    # from the agent and the call

    def _perform(self, action: Action) -> None:
        match action:
            case CallEvent():
                if action.type == events.Answered.type:
                    self.start_media(self.leg)
                self._owner.tell(action, self.call.record())
            case RunTool():
                self.spawn(self._run_tool(action))
            case DialSecondLeg():
                self._second = SecondLeg(self, action)
                self.spawn(self._second.dial())
            case ReleaseSecondLeg():
                self._release_second()
            case ReplaceCallerLeg() if self._second:
                second, self._second = self._second, None
                self._succeed(self.leg, second.release(), "transferred")
            case AnswerTurns(on):
                self.provider.answer_turns(on, self.call.agent, self.leg)
            case ConnectAgent(name, answers):
                self.spawn(self._connect(name, answers))
            case Overhear(on):
                self._overheard = Overheard() if on else None
                self.leg.heard_by(self._overheard)
            case ReleaseAgent():
                self._release_agent()
            case MessageCommand():
                self._messages.do(action.what, action.box, action.why)
            case RecordingCommand(what):
                self._call_recorder.do(what)
            case MakeSound():
                self._make_sound(action)
            case UpdateAgent(name, settings):
                self._update_agent(name, settings)
            case Finished():
                self.close()

    def _make_sound(self, action: MakeSound) -> None:
        """At once, where it was made before; else the call waits for it, and nobody else does."""
        library = self._resources.library
        words = Words(action.text, action.prompt, action.speech, action.voice)
        if found := library.ready(words):
            self._made(action.number, found)
            return

        async def make() -> None:
            try:
                sound = await library.sound(words)
            except GatewayError as error:
                sound = Sound(b"", action.text, "", str(error))
            self._made(action.number, sound)

        self.spawn(make())

    def _made(self, number: int, sound: Sound) -> None:
        if number:
            self.feed(
                lambda call, now: call.announcer.made(number, sound.pcm, sound.text, sound.source, sound.problem, now)
            )

    async def _run_tool(self, action: RunTool) -> None:
        try:
            seconds = self.call.agent.definition.tool_timeout_seconds
            output = await runner.run(action.tool, action.call_id, action.arguments, self.info, seconds)
        except ToolError as error:
            output = failure(error.problem)
        self.feed(lambda call, now: call.tools.done(action.call_id, action.tool.name, output, now))

    def _release_second(self) -> None:
        second, self._second = self._second, None
        if second:
            second.dismiss()

    def close(self) -> None:
        """Give back what it holds. The call has ended."""
        self.closed = True
        finish(
            f"call {self.info.call_id}",
            lambda: self._owner.forget(self),
            self._release_second,
            partial(self.leave, self.leg),
            self._driver.close,
            self.provider.close,
            self._cancel_tasks,
        )

    def _cancel_tasks(self) -> None:
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
