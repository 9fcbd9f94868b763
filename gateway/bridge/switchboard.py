"""This node's calls: takes what comes in, places what goes out, and tells what happens."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from gateway.agents import Agent, with_changes
from gateway.bridge.call.call import NOBODY, Call
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.call_runner import CallRunner, OutboundCall
from gateway.bridge.dial_plan import DialPlan, number_of
from gateway.bridge.legs import negotiation
from gateway.bridge.reasons import OURS
from gateway.bridge.resources import BridgeSettings, Resources
from gateway.bridge.router import Route, Router
from gateway.call_record import Party
from gateway.cleanup import finish
from gateway.codecs import CODECS, Sound, levels
from gateway.destinations import Destination
from gateway.errors import (
    AgentBusy,
    BadCommand,
    ConfigError,
    Draining,
    NoSuchCall,
    NoSuchTrunk,
    NoWay,
    WrongState,
)
from gateway.events import CallEvent
from gateway.hours import Override
from gateway.outcomes import Outcome
from gateway.prompts import Library
from gateway.realtime import Provider
from gateway.rtp import MediaSettings
from gateway.sip import (
    Event,
    Flow,
    Incoming,
    Session,
    SipSettings,
    Trunk,
    UasSession,
    UserAgent,
    called,
    calling,
    check_outgoing_invite,
    claims,
)

log = structlog.get_logger("gateway.calls")

SWEEP_SECONDS = 40.0
"""Between two searches for what has no owner. A session may wait 32 s for its last response (64 * T1)."""

Sink = Callable[[CallEvent, dict[str, Any]], None]


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
        library: Library | None = None,
    ) -> None:
        self.settings, self.tell = settings, tell
        self._router, self._plan = _router_of(settings), DialPlan(settings.dial_plan)
        self._runners: dict[str, CallRunner] = {}  # by call_id
        self._by_session: dict[Session, CallRunner] = {}
        self.elsewhere: Mapping[str, int] = {}  # calls of each agent on other nodes, as they said last
        self._empty = asyncio.Event()
        self._empty.set()
        self.user_agent = UserAgent(sip, self._receive)
        self.resources = Resources(settings, media, agents, providers, self.user_agent, library)
        self.leaked = 0  # calls, ports and sessions that nobody had any more, found by the sweep
        self._suspects: set[object] = set()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def tool_blocked(self, tool: str, call_id: str, seconds: float) -> None:
        """A tool has kept the loop from its work."""
        if runner := self._runners.get(call_id):
            runner.feed(lambda call, now: call.tool_blocked(tool, seconds, now))

    @property
    def draining(self) -> bool:
        """No new calls are taken."""
        return self.user_agent.core.draining

    @draining.setter
    def draining(self, on: bool) -> None:
        self.user_agent.core.draining = on

    @property
    def calls(self) -> list[Call]:
        """Calls in progress, oldest first."""
        return [runner.call for runner in self._runners.values()]

    def __len__(self) -> int:
        return len(self._runners)

    def levels(self, part: int, of: int) -> dict[str, tuple[int, int]]:
        """How loud the caller and the agent are now, in dBm0, of one part of the calls that are answered."""
        names, sounds = list[str](), list[tuple[Sound, bytes]]()
        for runner in self._runners.values():
            if runner.number % of == part and runner.call.stats.answered_at:
                names.append(runner.info.call_id)
                sounds += [(runner.leg.sound, one) for one in runner.leg.voices()]
        found = levels(sounds)
        return {name: (found[2 * at], found[2 * at + 1]) for at, name in enumerate(names)}

    def find(self, call_id: str) -> Call | None:
        runner = self._runners.get(call_id)
        return runner.call if runner else None

    def record(self, call_id: str) -> dict[str, Any] | None:
        """A call of this node as it stands, also one that is only being made ready."""
        runner = self._runners.get(call_id)
        return runner.call.record() if runner else None

    def _sweep(self) -> None:
        """What has been without an owner at two looks is a leak: a fault of ours, which costs no more than this."""
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        owned = {leg.rtp for runner in self._runners.values() for leg in runner.legs}
        ended = [runner for runner in self._runners.values() if runner.closed or runner.call.ended]
        orphans = [rtp for rtp in self.resources.ports.lent.values() if rtp and rtp not in owned]
        lost = [one for one in self.user_agent.core.live_usages() if one not in self._by_session]
        found: list[tuple[object, Callable[[], object]]] = [
            *((runner, runner.close) for runner in ended),
            *((rtp, rtp.close) for rtp in orphans),
            *((one, partial(self.user_agent.act, one.abandon)) for one in lost),
        ]
        for what, end in found:
            if what in self._suspects:
                self.leaked += 1
                log.error("call.leaked", what=str(what))
                finish(what, end)
        self._suspects = {what for what, _ in found}

    @property
    def overrides(self) -> Mapping[str, Override]:
        """What was said of calendars by hand, by their names."""
        return self._router.overrides

    @overrides.setter
    def overrides(self, said: Mapping[str, Override]) -> None:
        self._router.overrides = said

    def hours_now(self) -> dict[str, bool]:
        """Whether each calendar is open."""
        return self._router.hours_at(self.resources.epoch + asyncio.get_running_loop().time())

    def use(self, settings: BridgeSettings, trunks: tuple[Trunk, ...], agents: Mapping[str, Agent]) -> None:
        """Take these from now on; calls in progress stay as they are. Raises ConfigError, and all is as it was."""
        router, plan = _router_of(settings), DialPlan(settings.dial_plan)
        self.user_agent.use(trunks)
        router.overrides = self._router.overrides
        self._router, self._plan = router, plan
        self.resources.use(settings, agents)

    def dial(self, asked: OutboundCall) -> str:
        """Call somebody; the call's id. Raises Draining, NoSuchAgent, and SipParseError for what cannot be called."""
        if self.draining:
            raise Draining
        self.resources.agent(asked.agent)
        check_outgoing_invite(asked.invite)
        trunk, target = asked.invite.trunk, asked.invite.target
        host = trunk.to_host or self.user_agent.host
        ours = asked.invite.caller_id or trunk.caller_id or trunk.user or "gateway"
        info = CallInfo(
            call_id=_new_call_id(),
            sip_call_id="",
            caller=Party(ours if ":" in ours else f"sip:{ours}@{host}"),
            called=Party(target if ":" in target else f"sip:{target}@{host}"),
            caller_host=host,
            called_host=host,
            headers={},
            node=self.settings.node,
            trunk=trunk.name,
            direction="outbound",
            own=asked.variables,
        )
        runner = self._new_runner(info, trunk)
        runner.spawn(runner.dial(asked))
        return info.call_id

    def trunk(self, name: str) -> Trunk:
        """The trunk of that name; without a name the only one, or an empty one. Raises NoSuchTrunk."""
        trunks = self.user_agent.core.trunks.trunks
        if not name and len(trunks) < 2:
            return trunks[0] if trunks else Trunk("")
        found = self.user_agent.core.trunks.named(name)
        if found is None:
            raise NoSuchTrunk(name, [trunk.name for trunk in trunks])
        return found

    def trunks_for(self, target: str, name: str = "") -> list[Trunk]:
        """The trunks by which to call somebody, in the order in which to try them: the one that is named, or those of
        the dial plan, of which those whose servers do not answer come last. Raises NoSuchTrunk, NoWay."""
        planned = [] if name else [self.trunk(one) for one in self._plan.trunks_for(target)]
        if planned:
            return sorted(planned, key=self.user_agent.is_down)
        number = number_of(target)
        known = [trunk.name for trunk in self.user_agent.core.trunks.trunks]
        if not name and number and self._plan.rules and len(known) > 1:
            raise NoWay(number, [rule.called for rule in self._plan.rules], known)
        return [self.trunk(name)]

    def trunks_for_second(self, target: str, own: Trunk | None, name: str = "") -> list[Trunk]:
        """By which the gateway calls the target of a transfer itself, for a call of the trunk `own`; or by `name`."""
        if name:
            return [self.trunk(name)]
        if own and own.bridge_trunk:
            return [self.trunk(own.bridge_trunk)]
        planned = [self.trunk(one) for one in self._plan.trunks_for(target)]
        return sorted(planned, key=self.user_agent.is_down) or [own or Trunk("")]

    def command(self, verb: str, call_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What somebody outside asks of a call: see `CallCommands`, `update`, `accept`, `reject`. Its record after it.

        Raises NoSuchCall, WrongState, BadCommand, NoSuchAgent.
        """
        runner = self._runners.get(call_id)
        if runner is None:
            raise NoSuchCall(call_id)
        if verb in ("accept", "reject"):
            self._settle(runner, verb, given)
        elif verb == "update":
            self._update(runner, str(given.get("agent") or ""), given.get("settings") or {})
        else:
            if verb == "say" and not given.get("text") and (prompt := str(given.get("prompt") or "").strip()):
                self.resources.library.check(prompt)
            runner.feed(lambda call, now: call.commands.do(verb, given, now))
        return runner.call.record()

    def _settle(self, runner: CallRunner, verb: str, given: Mapping[str, Any]) -> None:
        """What the application says to a call that it was asked about."""
        waiting = runner.provider.application
        if verb == "accept":
            done = waiting is not None and waiting.accept(given.get("session") or {})
        else:
            done = waiting is not None and waiting.reject(int(given.get("status_code") or 603))
        if not done:
            state = str(runner.call.state)
            raise WrongState(runner.info.call_id, state, "it does not wait to be accepted or rejected")

    def _update(self, runner: CallRunner, agent: str, changes: Mapping[str, Any]) -> None:
        if runner.call.agent is NOBODY:
            raise WrongState(runner.info.call_id, str(runner.call.state), "it has no agent yet")
        new = self.resources.agent(agent) if agent else runner.call.agent
        try:
            runner.set_agent(with_changes(new, changes) if changes else new)
        except ConfigError as error:
            raise BadCommand("settings", str(error)) from error

    async def drain(self, seconds: float) -> None:
        """Take no new calls, let those in progress end, and hang up on the rest after `seconds`."""
        self.draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            for runner in list(self._runners.values()):
                runner.hang_up(Outcome.NODE_STOPPED)
            await asyncio.sleep(0.1)  # for the BYEs to leave, and their answers to come

    async def close(self) -> None:
        """Hang up all calls, and stop listening."""
        self._sweeper.cancel()
        for runner in list(self._runners.values()):
            finish(runner.info.call_id, partial(runner.hang_up, Outcome.NODE_STOPPED), runner.close)
        finish("switchboard", self.resources.pool.close, self.resources.access.close)
        await self.user_agent.close()
        await self.resources.close()

    # for runners

    def route_for(self, info: CallInfo) -> Route:
        """Where a call goes that comes in. Raises Draining, NoRoute."""
        if self.draining:
            raise Draining
        now = self.resources.epoch + asyncio.get_running_loop().time()
        return self._router.route_for(info.called.user, info.trunk, info.claims.get("attest", ""), now)

    def resolve(self, to: Destination, at: float) -> Destination:
        """Where a calendar leads at a time (epoch s)."""
        return self._router.resolve(to, at)

    def agent_for(self, name: str) -> Agent:
        """Raises NoSuchAgent; AgentBusy where it has as many calls as it may."""
        agent = self.resources.agent(name)
        live = sum(call.agent.name == name for call in self.calls) + self.elsewhere.get(name, 0)
        if 0 < agent.definition.max_calls <= live:
            raise AgentBusy(name)
        return agent

    def listen_to(self, session: Session, runner: CallRunner) -> None:
        """What happens in `session` is for `line`."""
        self._by_session[session] = runner
        runner.sessions.append(session)

    def forget(self, runner: CallRunner) -> None:
        self._runners.pop(runner.info.call_id, None)
        for session in runner.sessions:
            self._by_session.pop(session, None)
        if not self._runners:
            self._empty.set()

    # from the telephone

    def _receive(self, event: Event) -> None:
        if isinstance(event, Incoming):
            try:
                self._take(event.session)
            except Exception:  # boundary: a caller is not left waiting for a fault of ours
                log.exception("call.bug", call=str(event.session))
                self.resources.reject(event.session, OURS)
        elif runner := self._by_session.get(event.session):
            runner.receive(event)

    def _take(self, session: UasSession) -> None:
        replaced = self._by_session.get(session.replaces) if session.replaces else None
        if replaced:
            self.listen_to(session, replaced)
            replaced.spawn(replaced.replace(session))
            return
        runner = self._new_runner(self._info_of(session), session.trunk)
        self.listen_to(session, runner)
        runner.spawn(runner.take(session))

    def _new_runner(self, info: CallInfo, trunk: Trunk | None) -> CallRunner:
        runner = self._runners[info.call_id] = CallRunner(self.resources, self, info, trunk)
        self._empty.clear()
        return runner

    def _info_of(self, session: UasSession) -> CallInfo:
        request = session.request
        caller, target = calling(request, session.trunk), called(request, session.trunk)
        host = target.host if target.port is None else f"{target.host}:{target.port}"
        headers: dict[str, str] = {}
        for name, value in request.headers:
            headers.setdefault(name.lower(), value)
        return CallInfo(
            call_id=_new_call_id(),
            sip_call_id=request.call_id,
            caller=Party(f"{caller.uri.scheme}:{caller.uri.number}@{caller.uri.host}", caller.display),
            called=Party(f"{target.scheme}:{target.number}@{host}"),
            caller_host=caller.uri.host,
            called_host=host,
            headers=headers,
            node=self.settings.node,
            trunk=session.trunk.name if session.trunk else "",
            claims=claims(headers.get("identity", "")),
        )


def _router_of(settings: BridgeSettings) -> Router:
    return Router(settings.routes, settings.hours, settings.places.forks)


def offer_of(trunk: Trunk, settings: BridgeSettings) -> Callable[[Flow], bytes]:
    """The SDP that a call by this trunk would offer."""
    codecs = tuple(CODECS[name] for name in trunk.codecs or settings.codecs)
    return negotiation.offer_of(codecs, trunk.ptime_ms or settings.ptime_ms, trunk.srtp or settings.srtp)


def _new_call_id() -> str:
    return f"call_{secrets.token_hex(8)}"
