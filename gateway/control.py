"""Commands for any call on any node: carried out here where the call is here, else by the node that has it.

Also this node's life among the others: it says that it is alive, looks after the calls of those that died, and samples
how loud its calls are.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import structlog

from gateway import errors, events
from gateway.bridge import Switchboard
from gateway.bridge.media.levels import SAMPLES_A_SECOND, SHOWN_A_SECOND, Levels
from gateway.call_record import CallState
from gateway.errors import BadCommand, GatewayError, NoSuchCall, StoreUnavailable, plain
from gateway.events import CallEvent
from gateway.store import LEASE_SECONDS, Store

log = structlog.get_logger("gateway")

BEAT_SECONDS = 2.0
STALE_SECONDS = 300.0
"""After its end a call has to be gone everywhere."""

COMMAND_SECONDS = 5.0
ERASE_AGAIN_SECONDS = 60.0
PARTS = 2
"""In which calls are looked at for their loudness, so that no frame waits for all of them."""
CARRIED = frozenset({"NoSuchCall", "WrongState", "BadCommand", "NoSuchAgent", "Draining"})
"""Errors of one node that another tells as its own."""


Erase = Callable[[list[str], str], Awaitable[list[str]]]


class Control:
    """`describe` is what this node says of itself; `on_closed` gets the record, with events, of a call that a dead node
    left; `erase` takes from this node's disk what it has of calls and of a number, and says of which calls there was
    something. Runs from `start` to `close`."""

    def __init__(
        self,
        switchboard: Switchboard,
        store: Store,
        describe: Callable[[], dict[str, Any]],
        on_closed: Callable[[dict[str, Any]], None],
        erase: Erase,
    ) -> None:
        self.switchboard, self.store, self._describe, self._on_closed = switchboard, store, describe, on_closed
        self._erase_here, self._erased_until, self._erase_at = erase, "", 0.0
        self.levels = Levels()
        self.closed_for_others = self.stale = 0
        self.waiting = self.dead = 0  # in the outbox, as seen some seconds ago
        self.watched = False  # somebody looks at the levels of all calls
        self._good_since: float | None = None
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self.node_verbs: dict[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
            "drain": self._drain,
            "sip": self._sip,
            "bans": self._bans,
            "lift_ban": self._lift_ban,
            "erase": self._erase,
            "hours": self._hours,
        }
        self.call_verbs: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {"levels": self._levels}

    async def announce(self) -> None:
        """Tell the others of us now, and not with the next beat."""
        with suppress(StoreUnavailable):
            await self._beat()
            await self._hours({})

    async def start(self) -> None:
        await self.announce()
        loop = asyncio.get_running_loop()
        work = self._live(), self._sample(), self.store.commands.serve(self.store.me, self._asked)
        self._tasks = [loop.create_task(one) for one in work]

    async def close(self) -> None:
        self._stopped = True
        self.store.commands.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(StoreUnavailable):
            await self.store.nodes.leave()

    def tell(self, event: CallEvent, record: dict[str, Any]) -> None:
        if event.type == events.Ended.type and (kept := self.levels.take(event.call_id)):
            self.store.calls.keep_levels(event.call_id, kept)

    # commands

    async def send_command(self, verb: str, call_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the call's node answers. Raises NoSuchCall, WrongState, BadCommand, NodeSilent, StoreUnavailable."""
        if self.switchboard.record(call_id):
            return self._do(verb, call_id, given)
        record = await self.store.calls.record(call_id)
        if (
            record is None
            or record.get("state") == CallState.ENDED
            or record.get("node", self.store.me) == self.store.me
        ):
            raise NoSuchCall(call_id)
        return await self._ask(record["node"], {"verb": verb, "call_id": call_id, "given": dict(given)})

    async def send_node_command(self, node: str, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The same for a node. Raises NodeSilent, StoreUnavailable."""
        if node == self.store.me:
            return await self.node_verbs[verb](given)
        return await self._ask(node, {"verb": verb, "given": dict(given)})

    async def _ask(self, node: str, command: dict[str, Any]) -> dict[str, Any]:
        answer = await self.store.commands.ask(node, command, COMMAND_SECONDS)
        if name := answer.get("error"):
            if name in CARRIED:
                raise getattr(errors, name)(*answer["arguments"])
            raise BadCommand(str(command["verb"]), str(answer.get("problem") or name))
        return answer

    async def _asked(self, command: dict[str, Any]) -> dict[str, Any]:
        """By another node."""
        try:
            if call_id := command.get("call_id"):
                return self._do(command["verb"], call_id, command["given"])
            return await self.node_verbs[command["verb"]](command["given"])
        except GatewayError as error:
            return {"error": type(error).__name__, "arguments": list(error.args), "problem": str(error)}

    def _do(self, verb: str, call_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        own = self.call_verbs.get(verb)
        return own(call_id, given) if own else self.switchboard.command(verb, call_id, given)

    def _levels(self, call_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"levels": self.levels.so_far(call_id).hex()}

    async def _hours(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Take up what was said of calendars."""
        self.switchboard.overrides = await self.store.overrides.all()
        return {}

    async def _sip(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The SIP messages of these dialogs, as far as this node remembers them."""
        trace = self.switchboard.user_agent.trace
        found = [item for sip_call_id in given["ids"] for item in trace.of(sip_call_id)]
        return {"messages": [asdict(item) for item in sorted(found, key=lambda item: item.at)]}

    async def _bans(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"bans": self.switchboard.user_agent.bans()}

    async def _lift_ban(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"lifted": self.switchboard.user_agent.lift_ban(given["address"], given.get("account", ""))}

    async def _erase(self, given: Mapping[str, Any]) -> dict[str, Any]:
        for sip_call_id in given.get("sip", ()):
            self.switchboard.user_agent.trace.forget(sip_call_id)
        return {"erased": await self._erase_here(given["ids"], str(given.get("number") or ""))}

    async def ask_all_nodes(
        self, verb: str, given: Mapping[str, Any]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """What every node that is alive answers, and why others do not."""
        nodes = [self.store.me]
        with suppress(StoreUnavailable):
            nodes += [str(one["id"]) for one in await self.store.nodes.alive() if one["id"] != self.store.me]
        answers = await asyncio.gather(
            *(self.send_node_command(node, verb, given) for node in nodes), return_exceptions=True
        )
        told = dict(zip(nodes, answers, strict=True))
        good = {node: one for node, one in told.items() if isinstance(one, dict)}
        return good, {node: str(one) for node, one in told.items() if not isinstance(one, dict)}

    async def _drain(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Take no new calls, or take them again; those in progress go on."""
        self.switchboard.draining = bool(given.get("on", True))
        log.info("gateway.drain_asked", on=self.switchboard.draining, calls=len(self.switchboard))
        return {"draining": self.switchboard.draining, "calls": len(self.switchboard)}

    # a life among others

    async def _live(self) -> None:
        beats = 0
        while not self._stopped:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._beat()
                await self._hear_others()
                await self._hours({})
                await self._catch_up()
                beats += 1
                if self._good_since and time.monotonic() - self._good_since > LEASE_SECONDS + BEAT_SECONDS:
                    await self._look_after(beats)
            except StoreUnavailable:
                self._good_since = None  # the others were as silent as we were: nobody is judged by that time
                self._take_for_limits([])
            except Exception:  # boundary: a fault of ours must not end this node's life among the others
                log.exception("gateway.beat_failed")

    async def _beat(self) -> None:
        alive, self.watched = await self.store.nodes.beat(self._describe())
        if self._good_since is None or not alive:
            self._good_since = time.monotonic()
        if not alive:
            for call in self.switchboard.calls:  # others may have closed them, or Redis forgot them
                self.store.calls.again(call.record())

    async def _hear_others(self) -> None:
        self._take_for_limits([one for one in await self.store.nodes.alive() if one["id"] != self.store.me])

    async def _catch_up(self) -> None:
        """With what was erased while nobody could ask us. A disk that does not let us is tried again later."""
        if time.monotonic() < self._erase_at:
            return
        ids, until = await self.store.calls.erased_after(self._erased_until)
        try:
            if ids:
                await self._erase_here(ids, "")
            self._erased_until = until
        except OSError as error:
            log.error("retention.not_erased", calls=ids, problem=plain(error), again_after=ERASE_AGAIN_SECONDS)
            self._erase_at = time.monotonic() + ERASE_AGAIN_SECONDS

    def _take_for_limits(self, others: list[dict[str, Any]]) -> None:
        """What other nodes have counts too; while nobody can be heard each node has the limits to itself."""
        self.switchboard.elsewhere = sum((Counter(one["agents"]) for one in others), Counter[str]())
        trunks = sum((Counter(one["trunks"]) for one in others), Counter[str]())
        self.switchboard.user_agent.core.trunks.elsewhere = trunks

    async def _look_after(self, beats: int) -> None:
        closed = await self.store.nodes.sweep(self.store.calls.entries)
        if closed:
            self.closed_for_others += len(closed)
            log.warning("gateway.calls_of_dead_node_closed", calls=closed)
            for call_id in closed:
                if record := await self.store.calls.get(call_id):
                    self._on_closed(record)
        if beats % 5 == 0:
            self.waiting, self.dead = await self.store.outbox.lengths()
        if beats % 15 == 0:
            stale = await self.store.nodes.stale(STALE_SECONDS, time.time())
            for call_id in stale:
                log.error("gateway.stale_call", call_id=call_id, problem=f"listed as live {STALE_SECONDS:g} s too long")
                self.store.calls.forget_live(call_id)
            self.stale += len(stale)

    async def _sample(self) -> None:
        """How loud the calls are."""
        loop, all_of_them = asyncio.get_running_loop(), dict[str, tuple[int, int]]()
        due, part, rounds = loop.time(), 0, 0
        while not self._stopped:
            due = max(due + 1 / SAMPLES_A_SECOND / PARTS, loop.time() - 1.0)  # on time, or a picture is too short
            await asyncio.sleep(due - loop.time())
            part = (part + 1) % PARTS
            found = self.switchboard.levels(part, PARTS)
            self.levels.sample(found)
            all_of_them |= found
            if part == 0 and all_of_them:
                rounds += 1
                if rounds % (SAMPLES_A_SECOND // SHOWN_A_SECOND) == 0 and self.watched and self.store.available:
                    self.store.watch.publish_levels(self.store.writer, all_of_them)
                all_of_them = {}
