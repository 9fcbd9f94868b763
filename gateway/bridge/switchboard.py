"""This node's calls: takes what comes in, drives each call, and tells what happens. This is the room's door."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from gateway.agents import Agent, expand
from gateway.bridge import tools
from gateway.bridge.call import Action, Call, Finished, RunTool
from gateway.bridge.facts import CallFacts
from gateway.bridge.reasons import reason_of
from gateway.bridge.router import Route, Router
from gateway.bridge.sip_leg import LegEvents, SipLeg, open_leg, render
from gateway.bridge.uplink import Uplink
from gateway.codecs import CODECS
from gateway.errors import Draining, GatewayError, ToolError
from gateway.machine import Driver
from gateway.realtime import Client, Provider, SessionConfig
from gateway.realtime import Event as AgentEvent
from gateway.records import CallEvent, CallState, Party
from gateway.rtp import MediaClock, MediaSettings, PortPool
from gateway.sip import (
    Callee,
    Confirmed,
    Digit,
    Ended,
    Event,
    Incoming,
    Reanswered,
    ReferProgress,
    Reoffered,
    Session,
    SipSettings,
    UserAgent,
)

log = structlog.get_logger("gateway.calls")

Sink = Callable[[CallEvent, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """`codecs` in order of preference; the caller's audio goes to the provider in pieces of `chunk_ms`.

    `srtp` is off, optional (where the caller offers it) or required.
    """

    routes: tuple[Route, ...] = ()
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    chunk_ms: int = 20
    srtp: str = "optional"
    node: str = field(default_factory=socket.gethostname)


class _Line:
    """One call with everything that runs for it."""

    def __init__(self, session: Callee, facts: CallFacts) -> None:
        self.session, self.facts = session, facts
        self.call: Call | None = None
        self.leg: SipLeg | None = None
        self.driver: Driver[Action] | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.log = log.bind(call_id=facts.call_id)

    def feed(self, action: Callable[[Call, float], None]) -> None:
        """Give the call one input, then do what it wants."""
        if self.call and self.driver:
            action(self.call, self.driver.now())
            self.driver.drain()

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Switchboard:
    """`tell` gets every event of every call, with the call's record after it."""

    def __init__(
        self,
        settings: BridgeSettings,
        sip: SipSettings,
        media: MediaSettings,
        agents: Mapping[str, Agent],
        providers: Mapping[str, Provider],
        tell: Sink,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings, self._media = settings, media
        self._agents, self._providers = agents, providers
        self._tell = tell
        self._router = Router(settings.routes)
        self._codecs = tuple(CODECS[name] for name in settings.codecs)
        self._lines: dict[Session, _Line] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._epoch = time.time() - loop.time()
        self.user_agent = UserAgent(sip, self._receive)
        self.ports = PortPool(media.first_port, media.last_port, loop.time)
        self.clock: MediaClock[SipLeg] = MediaClock(render)

    @property
    def draining(self) -> bool:
        return self.user_agent.core.draining

    @property
    def calls(self) -> list[Call]:
        """Calls in progress, oldest first."""
        return [line.call for line in self._lines.values() if line.call]

    def __len__(self) -> int:
        return len(self._lines)

    def find(self, call_id: str) -> Call | None:
        return next((call for call in self.calls if call.facts.call_id == call_id), None)

    async def drain(self, seconds: float) -> None:
        """Take no new calls, let those in progress end, and hang up on the rest after `seconds`."""
        self.user_agent.core.draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            for line in list(self._lines.values()):
                line.feed(lambda call, now: call.hang_up("node_stopped", now))
            await asyncio.sleep(0.1)  # for the BYEs to leave, and their answers to come

    async def close(self) -> None:
        """Hang up on whoever is left, and listen no more."""
        for line in list(self._lines.values()):
            line.feed(lambda call, now: call.hang_up("node_stopped", now))
            self._forget(line)
        await self.user_agent.close()

    # from the telephone

    def _receive(self, event: Event) -> None:
        if isinstance(event, Incoming):
            self._take(event.session)
            return
        line = self._lines.get(event.session)
        if line is None:
            return
        match event:
            case Confirmed():
                self._confirmed(line, event.body)
            case Reoffered():
                self._reoffered(line, event)
            case Reanswered(body=body) if line.leg:
                self._reanswered(line, line.leg, body)
            case Digit(digit=digit):
                line.feed(lambda call, now: call.digit(digit, now))
            case Ended():
                line.feed(lambda call, now: call.leg_ended(event.cause, event.reason, now))
                if line.call is None:  # the caller gave up before there was a call
                    self._tell_refused(line, "cancelled", "", 487)
                    self._forget(line)
            case ReferProgress(session) if session.referral:
                progress = session.referral
                line.feed(lambda call, now: call.transfer_moved(progress, now))

    def _take(self, session: Callee) -> None:
        line = _Line(session, self._facts_of(session))
        self._lines[session] = line
        self._empty.clear()
        line.spawn(self._set_up(line))

    async def _set_up(self, line: _Line) -> None:
        """From the INVITE to a call with an agent that is ready; any error on the way refuses the call."""
        try:
            if self.draining:
                raise Draining
            agent = self._agents[self._router.agent_for(line.facts.called.user, line.facts.trunk)]
            client = self._client(line, agent)
            uplink = Uplink(self._codecs[0], self._settings.chunk_ms, client.append)
            line.leg = await open_leg(
                self.user_agent, line.session, self._codecs, uplink, self._media, self.ports, self._settings.srtp
            )
            self._begin(line, agent, line.leg, client)
            await client.open()
            line.feed(Call.agent_ready)
            if line.leg.rtp and line.call and line.call.state is CallState.ANSWERED:
                self.clock.join(line.leg)
        except Exception as error:  # the door: whatever goes wrong here refuses this call and no other
            self._refuse(line, error)

    def _client(self, line: _Line, agent: Agent) -> Client:
        definition = agent.definition
        config = SessionConfig(
            model=definition.model or (agent.name if definition.provider == "local" else ""),
            instructions=expand(definition.instructions, line.facts.variables(agent.name)),
            voice=definition.voice,
            speed=definition.speed,
            turn_detection=definition.turn_detection.model_dump(exclude_none=True),
            transcription=definition.transcription,
            noise_reduction=definition.noise_reduction,
            tools=tools.definitions(agent),
            max_output_tokens=definition.max_output_tokens,
        )
        client = Client(self._providers[definition.provider], config, lambda event: self._agent_said(line, event))
        client.log = client.log.bind(call_id=line.facts.call_id)
        return client

    def _begin(self, line: _Line, agent: Agent, leg: SipLeg, client: Client) -> None:
        now = asyncio.get_running_loop().time()
        line.call = call = Call(line.facts, agent, leg, client, now, self._epoch)
        line.driver = Driver(call, lambda action: self._perform(line, action))
        leg.events = LegEvents(
            digit=lambda digit: line.feed(lambda call, now: call.digit(digit, now)),
            drained=lambda: line.feed(Call.drained),
            unheard=lambda problem: line.feed(lambda call, now: call.hang_up("media_timeout", now, problem=problem)),
        )
        line.feed(Call.start)

    def _refuse(self, line: _Line, error: Exception) -> None:
        reason = reason_of(error)
        if not isinstance(error, GatewayError):
            line.log.exception("call.bug", exc_info=error)
        if line.call:
            line.feed(lambda call, now: call.refuse(error, reason, now))
            return
        self.user_agent.act(lambda now: line.session.reject(reason.status, now, headers=reason.headers))
        self._tell_refused(line, reason.outcome, str(error), reason.status)
        self._forget(line)

    def _tell_refused(self, line: _Line, outcome: str, problem: str, status: int) -> None:
        """The record of a call that never came to be one."""
        now = time.time()
        record = {
            **line.facts.identity(),
            "state": str(CallState.ENDED),
            "started_at": now,
            "ended_at": now,
            "outcome": outcome,
        }
        data = {"outcome": outcome, "status": status, "problem": problem}
        self._tell(CallEvent(line.facts.call_id, now, "ended", data), record)

    def _confirmed(self, line: _Line, body: bytes) -> None:
        try:
            if line.leg:
                line.leg.take_answer(body)
        except GatewayError as error:
            problem, outcome = str(error), reason_of(error).outcome
            line.feed(lambda call, now: call.hang_up(outcome, now, problem=problem))
            return
        line.feed(Call.confirmed)

    def _reoffered(self, line: _Line, event: Reoffered) -> None:
        try:
            if line.leg:
                line.leg.reoffered(event)
        except GatewayError as error:
            reason = reason_of(error)
            line.log.warning("call.reoffer_refused", problem=str(error))
            status = 488 if reason.status >= 500 else reason.status
            self.user_agent.act(lambda now: event.session.refuse_reoffer(status, now, reason.headers))

    def _reanswered(self, line: _Line, leg: SipLeg, body: bytes) -> None:
        try:
            leg.reanswered(body)
        except GatewayError as error:  # the session stays as it was
            line.log.warning("call.reoffer_refused", problem=str(error))

    def _facts_of(self, session: Session) -> CallFacts:
        request = session.request
        caller, target = request.from_, request.uri
        host = target.host if target.port is None else f"{target.host}:{target.port}"
        headers: dict[str, str] = {}
        for name, value in request.headers:
            headers.setdefault(name.lower(), value)
        return CallFacts(
            call_id=f"call_{secrets.token_hex(8)}",
            sip_call_id=request.call_id,
            caller=Party(f"{caller.uri.scheme}:{caller.uri.number}@{caller.uri.host}", caller.display),
            called=Party(f"{target.scheme}:{target.number}@{host}"),
            caller_host=caller.uri.host,
            called_host=host,
            headers=headers,
            node=self._settings.node,
            trunk=session.trunk.name if session.trunk else "",
        )

    # from the agent

    def _agent_said(self, line: _Line, event: AgentEvent) -> None:
        line.feed(lambda call, now: call.receive(event, now))

    # from the call

    def _perform(self, line: _Line, action: Action) -> None:
        assert line.call is not None
        match action:
            case CallEvent():
                record = line.call.record()
                if action.type == "ended" and line.leg:
                    record["media"] = line.leg.stats()
                self._tell(action, record)
            case RunTool():
                line.spawn(self._run_tool(line, action))
            case Finished():
                self._forget(line)

    async def _run_tool(self, line: _Line, action: RunTool) -> None:
        assert line.call is not None
        try:
            seconds = line.call.agent.definition.tool_timeout_seconds
            output = await tools.run(action.tool, action.arguments, line.facts, seconds)
        except ToolError as error:
            output = tools.failure(error.problem)
        line.feed(lambda call, now: call.tool_done(action.call_id, action.tool.name, output, now))

    def _forget(self, line: _Line) -> None:
        self._lines.pop(line.session, None)
        if line.leg:
            self.clock.leave(line.leg)
            line.leg.close()
        if line.driver:
            line.driver.close()
        current = asyncio.current_task()
        for task in line.tasks:
            if task is not current:
                task.cancel()
        if not self._lines:
            self._empty.set()
