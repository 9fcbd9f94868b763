"""The gateway: builds the packages and hands them to each other."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import orjson
import structlog

from gateway import __version__, certificates, events
from gateway.agents import Agents, AnyTool
from gateway.bridge import Switchboard, with_tools
from gateway.config.load import EMBEDDED, Settings
from gateway.config.prompts import ahead_of_calls
from gateway.config.providers import wanted
from gateway.control import Control
from gateway.delivery import (
    AFTER,
    Courier,
    Receiver,
    RecordFile,
    SummaryReceiver,
    VoicemailDesk,
    WebhookReceiver,
    entries_for,
    entries_for_erased,
)
from gateway.delivery.jsonl import full_record
from gateway.errors import ConfigError
from gateway.events import CallEvent
from gateway.limits import needed, raise_open_files
from gateway.local import LocalProcess, LocalSettings, Script, missing_ears
from gateway.prompts import Library
from gateway.realtime import Provider
from gateway.retention import Retention, plain
from gateway.store import Store, open_store
from gateway.store.outbox import ERASE
from gateway.watchdog import Blocked, Watchdog
from gateway.web import http_client

log = structlog.get_logger("gateway")

SWITCH_SECONDS = 0.0005
"""After which a thread that computes lets the loop run: with Python's own 5 ms a tool makes frames late."""

DEFAULT_CALLS = 500
"""That descriptors are counted for where the node has no limit of its own."""

RECORDS = "records"
"""Whom entries of the outbox are for that go to PostgreSQL."""


def scripts_of(agents: Agents, keys: Mapping[str, str]) -> dict[str, Script]:
    """What the embedded server has to understand and say, for the agents that speak through it.

    `keys` are those of their chat endpoints, by agent.
    """
    scripts = {}
    for name, agent in agents.items():
        if EMBEDDED in wanted(agent.definition).values():
            data = agent.definition.local.model_dump(exclude={"chat": {"key_env"}})
            if data["chat"]:
                data["chat"]["key"] = keys.get(name, "")
            scripts[name] = Script.from_json(data)
    return scripts


class Gateway:
    """`async with Gateway(settings)`: on entering it answers calls. Raises ConfigError, PortInUse."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started_at = time.time()
        self._certificates = certificates.Certificates()
        self.http_url = ""  # where other nodes reach this one, once it listens
        self.sinks: list[Callable[[CallEvent, dict[str, Any]], None]] = [self._log]
        self.courier: Courier | None = None
        self.blocked_by: dict[str, float] = defaultdict(float)  # seconds that the loop stood still, by tool
        self._file: RecordFile | None = None
        self._expire: Callable[[float], Awaitable[None]] | None = None  # records elsewhere
        self.read: Callable[[], Settings] | None = None  # reads the settings again, where they are from a file
        self._reloading = asyncio.Lock()
        self._local: LocalProcess | None = None
        self._summaries: SummaryReceiver | None = None
        self._tools: tuple[httpx.AsyncClient, dict[str, list[AnyTool]]]  # of all agents: webhooks, MCP servers
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Gateway:
        async with AsyncExitStack() as stack:
            settings, providers = self.settings, dict(self.settings.providers)
            self._look_at_limits()
            sys.setswitchinterval(SWITCH_SECONDS)
            if warning := settings.open_to_all:
                log.warning("gateway.open_to_all", problem=warning)
            if settings.embedded:
                self._local = LocalProcess(LocalSettings(scripts=scripts_of(settings.agents, settings.chat_keys)))
                providers[EMBEDDED] = Provider(EMBEDDED, await stack.enter_async_context(self._local))
            self.store: Store = await stack.enter_async_context(open_store(settings.store))
            self.store.calls.entries = self._entries
            agents = await self._equipped(stack)
            bridge = replace(settings.bridge, node=self.store.me)
            self.library = Library(settings.prompts)
            self._make_sound_ahead(settings)
            self.switchboard = Switchboard(
                bridge, settings.sip, settings.media, agents, providers, self._tell, self.library
            )
            self.courier = await self._courier(stack)
            self.retention = await self._retention(stack)
            self.voicemail = self._voicemail(stack)
            self.control = Control(
                self.switchboard, self.store, self.describe, self._closed_for_other, self.retention.erase
            )
            self.control.node_verbs["reload"] = self._reload_asked
            self.control.node_verbs["drop_voicemail"] = self._drop_voicemail
            self.sinks.append(self.control.tell)
            stack.push_async_callback(self._close)
            await self.switchboard.user_agent.listen()
            await self.control.start()
            if self.courier:
                self.courier.start()
            self.watchdog = Watchdog(self._blocked)
            self.watchdog.start()
            stack.callback(self.watchdog.close)
            self._stack = stack.pop_all()
        log.info("gateway.listening", sip=f"{settings.sip.host}:{self.sip_port}", agents=list(settings.agents))
        return self

    def _look_at_limits(self) -> None:
        """Open files, which run out before anything else does."""
        have, wanted = raise_open_files(), needed(self.settings.sip.max_calls or DEFAULT_CALLS)
        if have < wanted:
            log.warning("gateway.few_descriptors", have=have, wanted=wanted, fix="raise the hard limit: LimitNOFILE=")

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _close(self) -> None:
        """The last calls are told of before we leave the others."""
        await self.switchboard.close()
        await self.store.writer.flush(2.0)
        await self.control.close()

    def describe(self) -> dict[str, Any]:
        """What this node says of itself to the others."""
        board, agents, trunks = self.switchboard, Counter[str](), self.switchboard.user_agent.core.trunks
        for call in board.calls:
            if call.agent.name:  # and not in a menu
                agents[call.agent.name] += 1
        return {
            "name": self.settings.store.node,
            "version": __version__,
            "started_at": self.started_at,
            "sip": f"{self.settings.sip.host}:{self.sip_port}",
            "http": self.http_url,
            "calls": len(board),
            "draining": board.draining,
            "problems": self.problems,
            "warnings": self.warnings,
            "agents": dict(agents),
            "trunks": {trunk.name: trunks.calls(trunk) for trunk in trunks.trunks},
            "registrations": {name: one.problem for name, one in board.user_agent.registrations.items()},
            "trunk_states": {
                trunk.name: state for trunk in trunks.trunks if (state := board.user_agent.trunk_state(trunk))
            },
        }

    @property
    def sip_port(self) -> int:
        return self.switchboard.user_agent.port

    @property
    def problems(self) -> list[str]:
        """Why no calls should be sent here now; empty when all is well."""
        found = []
        if self.switchboard.draining:
            found.append("draining: no new calls are taken")
        if not self.store.available:
            found.append(f"Redis at {self.store.url} does not answer; {len(self.store.writer)} writes wait")
        refused, routed = (
            self.switchboard.resources.health.refused,
            {route.to.name for route in self.settings.bridge.routes if route.to.kind == "agent"},
        )
        if (
            refused
            and routed
            and all(set(wanted(self.settings.agents[name].definition).values()) <= set(refused) for name in routed)
        ):
            found.append(
                "no agent can answer: " + "; ".join(f"{name} refuses us: {why}" for name, why in refused.items())
            )
        trunks, registrations = (
            self.switchboard.user_agent.core.trunks.trunks,
            self.switchboard.user_agent.registrations,
        )
        if trunks and all(
            trunk.name in registrations and registrations[trunk.name].problem and not trunk.receives for trunk in trunks
        ):
            found.append("no calls can come in: no trunk is registered")
        return found

    @property
    def certificate_days(self) -> dict[str, float]:
        """Days left of each certificate that is shown to others, by its file."""
        sip, http = self.settings.sip, self.settings.http
        paths = [sip.tls.certificate] if sip.tls else []
        paths += [trunk.tls.certificate for trunk in self.switchboard.user_agent.core.trunks.trunks]
        paths += [str(http.tls.certificate)] if http.tls else []
        return self._certificates.days(filter(None, dict.fromkeys(paths)), asyncio.get_running_loop().time())

    @property
    def warnings(self) -> list[str]:
        """What somebody should look at though calls come through: a lost registration, a key that is refused."""
        lost = {name: one.problem for name, one in self.switchboard.user_agent.registrations.items() if one.problem}
        refused = self.switchboard.resources.health.refused
        agent = self.switchboard.user_agent
        silent = [
            f"the trunk {trunk}: {server} is skipped: {why}"
            for (trunk, server), why in agent.core.trunks.silent.items()
        ]
        down = [f"no server of the trunk {name} answers" for name, one in agent.health.items() if one.down]
        deaf = missing_ears() if self._local else ""
        return [
            *([deaf] if deaf else []),
            *(f"the trunk {name} is not registered: {problem}" for name, problem in lost.items()),
            *down,
            *certificates.warnings_of(self.certificate_days),
            *silent,
            *(f"the trunk {name}: {problem}" for (name, _), problem in agent.core.trunks.problems.items()),
            *(f"the provider {name} refuses us: {problem}" for name, problem in refused.items()),
        ]

    async def reload(self, who: str = "SIGHUP") -> list[str]:
        """Take up renewed certificates and, where there is a file, its agents, trunks, routes and dial plan, anew.

        Calls in progress keep theirs. What cannot be used leaves all as it was, is logged, and returned: one sentence
        each. `who` asked is for the audit.
        """
        problems: list[str] = []
        async with self._reloading:
            try:
                settings = await asyncio.to_thread(self.read) if self.read else self.settings
                await self._use(settings)
            except ConfigError as error:
                problems = [str(one) for one in (error, *error.more)]
                log.error("gateway.not_reloaded", problems=problems)
            else:
                trunks = [trunk.name for trunk in settings.sip.trunks]
                log.info("gateway.reloaded", trunks=trunks, agents=list(settings.agents))
        status = 409 if problems else 200
        self.store.access.note(
            at=time.time(),
            key="",
            who=who,
            remote="",
            method="RELOAD",
            path=self.store.me,
            status=status,
            request_id="",
        )
        return problems

    def _make_sound_ahead(self, settings: Settings) -> None:
        """What is said exactly is made before anybody calls, where it has no variable in it."""
        wanted = ahead_of_calls(settings.agents, settings.prompts, settings.bridge.places)
        self._preparing = asyncio.get_running_loop().create_task(self.library.prepare(wanted))

    async def _use(self, settings: Settings) -> None:
        """Take these from now on. Raises ConfigError, and all is as it was."""
        self._check_unchanged(settings)
        agents = with_tools(settings.agents, settings.webhook_secrets, *self._tools)
        if self._local:
            await self._local.use(scripts_of(settings.agents, settings.chat_keys))
        try:
            self.switchboard.user_agent.reload()
            self.switchboard.use(settings.bridge, settings.sip.trunks, agents)
        except ConfigError:
            if self._local:
                await self._local.use(scripts_of(self.settings.agents, self.settings.chat_keys))
            raise
        self.library.use(settings.prompts)
        self.voicemail.settings = settings.voicemail
        if self._summaries:
            self._summaries.settings = settings.after
        self._make_sound_ahead(settings)
        self.settings = replace(
            self.settings,
            agents=settings.agents,
            prompts=settings.prompts,
            voicemail=settings.voicemail,
            after=settings.after,
            bridge=self.switchboard.resources.settings,
            sip=replace(self.settings.sip, trunks=settings.sip.trunks),
            webhook_secrets=settings.webhook_secrets,
            chat_keys=settings.chat_keys,
        )

    async def _drop_voicemail(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"dropped": self.voicemail.drop(str(given["file"]))}

    async def _reload_asked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"problems": await self.reload(str(given.get("who") or "API"))}

    def _check_unchanged(self, settings: Settings) -> None:
        """What is read at the start only has to be there. Raises ConfigError."""
        named = {name for agent in settings.agents.values() for name in wanted(agent.definition).values()}
        if settings.after.rules and self._summaries is None:
            raise ConfigError("after", "is begun at the start only: restart for the first agent that has it")
        if missing := sorted(named - set(self.switchboard.resources.providers)):
            raise ConfigError("providers", f"are read at the start only: restart for {', '.join(missing)}")

    async def drain(self) -> None:
        """Let the calls in progress end; none is taken any more."""
        if len(self.switchboard):
            log.info("gateway.draining", calls=len(self.switchboard), seconds=self.settings.drain_seconds)
        await self.switchboard.drain(self.settings.drain_seconds)

    async def _equipped(self, stack: AsyncExitStack) -> Agents:
        """The agents with all their tools. Raises ConfigError where an MCP server does not answer."""
        servers: dict[str, list[AnyTool]] = {}
        if self.settings.mcp:
            try:
                from gateway.bridge.tools.mcp_servers import McpServer  # takes half a second, which few need
            except ImportError as error:
                problem = "needs the extra mcp: pip install 'voice-agent-gateway[mcp]'"
                raise ConfigError("mcp", problem) from error
            for row in self.settings.mcp:
                server = await stack.enter_async_context(McpServer(row))
                servers[row.name] = list(server.tools)
        self._tools = await stack.enter_async_context(http_client()), servers
        return with_tools(self.settings.agents, self.settings.webhook_secrets, *self._tools)

    async def _courier(self, stack: AsyncExitStack) -> Courier | None:
        """Who delivers; None where nobody wants anything. Raises ConfigError."""
        wanted, receivers = self.settings.delivery, dict[str, Receiver]()
        if wanted.webhooks:
            client = await stack.enter_async_context(http_client())
            receivers |= {f"webhook:{hook.name}": WebhookReceiver(hook, client) for hook in wanted.webhooks}
        if self.settings.after.rules:
            client = await stack.enter_async_context(http_client())
            self._summaries = SummaryReceiver(
                self.settings.after, wanted.webhooks, self.store, client, self._record_again
            )
            receivers[AFTER] = self._summaries
        if wanted.postgres:
            try:
                from gateway.delivery.postgres import PostgresReceiver
            except ImportError as error:
                problem = "needs the extra postgres: pip install 'voice-agent-gateway[postgres]'"
                raise ConfigError("records.postgres_env", problem) from error
            database = PostgresReceiver(wanted.postgres, self.store.calls.get, self.store.calls.erase)
            receivers[RECORDS], self._expire = database, database.expire
            stack.push_async_callback(database.close)
        if wanted.file:
            self._file = RecordFile(wanted.file)
            stack.callback(self._file.close)
        if wanted.otlp:
            try:
                from gateway.delivery.traces import Traces, exporter_of
            except ImportError as error:
                problem = "needs the extra otel: pip install 'voice-agent-gateway[otel]'"
                raise ConfigError("records.otlp", problem) from error
            traces = Traces(exporter_of(wanted.otlp), self.store.me)
            self.sinks.append(traces.tell)
            stack.push_async_callback(asyncio.to_thread, traces.close)
        if not receivers:
            return None
        courier = Courier(self.store.outbox, receivers, wanted.expire_seconds)
        stack.push_async_callback(courier.close)
        return courier

    def _voicemail(self, stack: AsyncExitStack) -> VoicemailDesk:
        """Who looks after what callers say to mailboxes."""
        threads = self.switchboard.resources.threads  # of one: what was handed to it before is done then
        self.store.voicemails.keep_seconds = self.settings.recording_days * 86400
        desk = VoicemailDesk(
            self.settings.voicemail,
            self.settings.delivery.webhooks,
            self.store,
            self.settings.store.node,
            lambda: asyncio.get_running_loop().run_in_executor(threads, bool),
        )
        self.sinks.append(desk.tell)
        stack.push_async_callback(desk.close)
        desk.start()
        return desk

    async def _retention(self, stack: AsyncExitStack) -> Retention:
        """Who looks after what is on this node's disk."""
        wanted, folder = self.settings.delivery, self.settings.bridge.recordings
        retention = Retention(folder, self.settings.recording_days, self._file, wanted.record_days, self._expire)
        stack.push_async_callback(retention.close)
        retention.start()
        return retention

    async def erase(
        self, call_ids: Collection[str], sip_call_ids: Collection[str] = (), number: str = "", known: bool = True
    ) -> tuple[list[str], dict[str, str]]:
        """Records, events, recordings and SIP messages of calls that have ended, and of a number, wherever they are.

        `known`: Redis has records of them. Gives the ids of the calls of which there was something; where there is a
        database, it may have had it. It, webhooks, and nodes that are away follow. Also the nodes that could not
        do their part, and why. Raises StoreUnavailable.
        """
        given = {"ids": list(call_ids), "sip": list(sip_call_ids), "number": number}
        answers, failed = await self.control.ask_all_nodes("erase", given)
        there = {one for answer in answers.values() for one in answer["erased"]}
        found = sorted(there.union(call_ids if known or self.settings.delivery.postgres else ()))
        await self.store.calls.erase(found)
        now, wanted = time.time(), self.settings.delivery
        entries = [entry for call_id in found for entry in entries_for_erased(wanted.webhooks, call_id, now)]
        if wanted.postgres and (found or number):
            body = ERASE + orjson.dumps({"ids": found, "number": plain(number) if number else ""}).decode()
            entries.append({"for": RECORDS, "call_id": found[0] if found else "", "body": body})
        await self.store.outbox.add(entries)
        return found, failed

    async def _record_again(self, call_id: str) -> None:
        """More is known of a call that has ended."""
        if self.settings.delivery.postgres:
            await self.store.outbox.add([{"for": RECORDS, "call_id": call_id, "body": repr(time.time())}])

    def _entries(self, event: CallEvent, record: dict[str, Any]) -> list[dict[str, str]]:
        """What others have to be told of an event."""
        wanted = self.settings.delivery
        found = entries_for(wanted.webhooks, event, record)
        if event.type == events.Ended.type and record["agent"] in self.settings.after.rules and record["answered_at"]:
            found.append({"for": AFTER, "call_id": event.call_id, "body": record["agent"]})
        if wanted.postgres and event.type == events.Ended.type:
            found.append({"for": RECORDS, "call_id": event.call_id, "body": repr(event.at)})
        return found

    def _tell(self, event: CallEvent, record: dict[str, Any]) -> None:
        self.store.calls.write(event, record)
        if self._file:
            self._file.tell(event, record)
        for sink in self.sinks:
            sink(event, record)

    def _closed_for_other(self, record: dict[str, Any]) -> None:
        """A call of a node that died, as this one has closed it."""
        events = record.pop("events")
        if self._file:
            self._file.write(full_record(record, events))
        last = events[-1]
        for sink in self.sinks:
            sink(CallEvent(record["call_id"], last["at"], last["type"], last["data"]), record)

    def _blocked(self, one: Blocked) -> None:
        """All calls were silent for so long, and somebody has to know whose fault it is."""
        culprit = {"tool": one.tool, "call_id": one.call_id} if one.tool else {}
        fix = {"fix": "what computes belongs into a plain function, or a process of its own"} if one.tool else {}
        log.error("gateway.loop_blocked", seconds=round(one.seconds, 3), where=one.where, **culprit, **fix)
        if one.tool:
            self.blocked_by[one.tool] += one.seconds
            self.switchboard.tool_blocked(one.tool, one.call_id, one.seconds)

    def _log(self, event: CallEvent, record: dict[str, Any]) -> None:
        if event.type == events.Transcript.type and not self.settings.log.transcripts:
            return
        facts = dict(event.data)
        if event.type in (events.Incoming.type, events.Ended.type):
            facts |= {name: record.get(name) for name in ("caller", "called")}
        log.info(f"call.{event.type}", call_id=event.call_id, **facts)
