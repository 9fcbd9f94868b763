"""What calls run on: nodes, agents, trunks; keys, the audit, and what waits to be told to others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import Field

from gateway.api.auth import Keys
from gateway.api.bodies import Body, EntryId, OneEntryId
from gateway.api.models import (
    AgentList,
    AuditList,
    BanList,
    DeadList,
    Drained,
    KeyList,
    LiftedBan,
    MadeKey,
    Me,
    NodeList,
    Outbox,
    ReloadList,
    RemovedKey,
    Retried,
    Role,
    TrunkList,
    WebhookInfo,
    WebhookList,
    WebhookTest,
    WebhookTests,
)
from gateway.api.openapi import problems
from gateway.app import Gateway
from gateway.call_record import timed
from gateway.delivery import deliver_test
from gateway.errors import StoreUnavailable
from gateway.web import http_client


class Drain(Body):
    on: bool = True


class NewKey(Body):
    name: str = Field(min_length=1, max_length=100)
    role: Role = "read"


class Retry(Body):
    limit: int = Field(default=1000, ge=1, le=10000)


class TestHook(Body):
    """`name`: only this webhook; empty: all of them."""

    name: str = ""


def router(gateway: Gateway, keys: Keys) -> APIRouter:
    api = APIRouter(prefix="/v1")
    store, board = gateway.store, gateway.switchboard

    async def known() -> list[dict[str, Any]]:
        """All nodes; this one as it is now, and alone while Redis is away."""
        me = {"id": store.me, **gateway.describe()}
        try:
            others = [one for one in await store.nodes.alive() if one["id"] != store.me]
        except StoreUnavailable:
            others = []
        return sorted([me, *others], key=lambda one: str(one["id"]))

    @api.get("/me", tags=["keys"], response_model=Me)
    async def get_me(request: Request) -> Response:
        """Whose key this is, and what it may: for a page that shows no more than that."""
        who = request.state.principal
        return Me(id=who.key_id, name=who.name, role=who.role).respond()

    @api.get("/nodes", tags=["nodes"], response_model=NodeList)
    async def list_nodes() -> Response:
        """Every node that is alive, with its calls and its problems; `me` is the one that answers."""
        return NodeList(data=timed(await known()), me=store.me).respond()

    @api.post(
        "/nodes/{node}/drain",
        status_code=202,
        tags=["nodes"],
        response_model=Drained,
        responses=problems(404, 503, 504),
    )
    async def drain_node(node: str, body: Drain | None = None) -> Response:
        """Have a node take no new calls, or take them again. Its calls go on, and the process with them."""
        if node not in {one["id"] for one in await known()}:
            raise HTTPException(404, f"there is no node {node}")
        told = await gateway.control.send_node_command(node, "drain", {"on": body.on if body else True})
        return Drained(**told).respond(202)

    @api.post("/reload", tags=["nodes"], response_model=ReloadList)
    async def reload(request: Request) -> Response:
        """Have every node read its file again: agents, trunks, routes, dial plan and certificates. Calls in progress
        keep what they have. Where a file cannot be used all stays as it was, and `problems` say why."""
        good, failed = await gateway.control.ask_all_nodes("reload", {"who": request.state.principal.name})
        rows = [{"node": node, "problems": answer["problems"]} for node, answer in good.items()]
        rows += [{"node": node, "problems": [why]} for node, why in failed.items()]
        return ReloadList(data=rows).respond()  # type: ignore[arg-type]

    @api.get("/agents", tags=["agents"], response_model=AgentList)
    async def list_agents() -> Response:
        """Who answers here, and how many calls each has on all nodes."""
        live = sum((Counter(one["agents"]) for one in await known()), Counter[str]())
        rows = []
        for name, agent in gateway.settings.agents.items():
            definition = agent.definition
            called = [route.called for route in gateway.settings.bridge.routes if str(route.to) == f"agent:{name}"]
            rows.append(
                {
                    "name": name,
                    "provider": definition.provider,
                    "model": definition.model,
                    "voice": definition.voice,
                    "tools": list(definition.tools),
                    "transfer_targets": list(definition.transfer_targets),
                    "called": called,
                    "calls": live[name],
                    "max_calls": definition.max_calls,
                }
            )
        return AgentList(data=rows).respond()  # type: ignore[arg-type]

    @api.get("/trunks", tags=["trunks"], response_model=TrunkList)
    async def list_trunks() -> Response:
        """Who may call and be called, how many calls there are on all nodes, and whether we are registered."""
        found = await known()
        live = sum((Counter(one["trunks"]) for one in found), Counter[str]())
        rows = []
        for trunk in board.user_agent.core.trunks.trunks:
            row: dict[str, Any] = {"name": trunk.name, "calls": live[trunk.name], "max_calls": trunk.max_calls}
            states = {one["id"]: one.get("trunk_states", {}).get(trunk.name, {}) for one in found}
            rows.append(row | {"profile": trunk.profile} | _summed_up({at: one for at, one in states.items() if one}))
        return TrunkList(data=rows).respond()  # type: ignore[arg-type]

    @api.get("/bans", tags=["trunks"], response_model=BanList)
    async def list_bans() -> Response:
        """Addresses, and accounts at them, that SIP is not listened to from for `seconds` more, on all nodes."""
        found, _ = await gateway.control.ask_all_nodes("bans", {})
        rows = [{"node": node, **one} for node, answer in found.items() for one in answer["bans"]]
        return BanList(data=rows).respond()  # type: ignore[arg-type]

    @api.delete("/bans/{address}", tags=["trunks"], response_model=LiftedBan, responses=problems(404))
    async def lift_ban(address: str, account: str = "") -> Response:
        """Listen to an address again, or only to one account there."""
        found, _ = await gateway.control.ask_all_nodes("lift_ban", {"address": address, "account": account})
        lifted = sum(int(answer["lifted"]) for answer in found.values())
        if not lifted:
            raise HTTPException(404, f"nothing is banned at {address}" + (f" for {account}" if account else ""))
        return LiftedBan(address=address, account=account, lifted=lifted).respond()

    @api.get("/keys", tags=["keys"], response_model=KeyList, responses=problems(503))
    async def list_keys() -> Response:
        """The API keys, without their secrets."""
        found = await store.access.keys()
        rows = [
            {"id": name, **{key: row[key] for key in ("name", "role", "created_at")}} for name, row in found.items()
        ]
        return KeyList(data=timed(sorted(rows, key=lambda row: float(row["created_at"])))).respond()

    @api.post("/keys", status_code=201, tags=["keys"], response_model=MadeKey, responses=problems(503))
    async def add_key(body: NewKey) -> Response:
        """A new key, which is shown this once."""
        key_id, key = await store.access.add_key(body.name, body.role, time.time())
        keys.forget()
        return MadeKey(id=key_id, name=body.name, role=body.role, key=key).respond(201)

    @api.delete("/keys/{key_id}", tags=["keys"], response_model=RemovedKey, responses=problems(404, 503))
    async def remove_key(key_id: str) -> Response:
        """From now on nobody may use it: on other nodes within five seconds."""
        if not await store.access.remove_key(key_id):
            raise HTTPException(404, f"there is no key {key_id}")
        keys.forget()
        return RemovedKey(id=key_id).respond()

    @api.get("/audit", tags=["keys"], response_model=AuditList, responses=problems(503))
    async def list_audit(before: EntryId = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """Who asked for what, and what came of it, the latest first."""
        found = await store.access.audit(before, limit)
        return AuditList(data=timed(found), next=found[-1]["id"] if len(found) == limit else "").respond()

    @api.get("/outbox", tags=["outbox"], response_model=Outbox, responses=problems(503))
    async def get_outbox() -> Response:
        """How much waits to be delivered, and how much was given up."""
        waiting, dead = await store.outbox.lengths()
        return Outbox(waiting=waiting, dead=dead).respond()

    @api.get("/outbox/dead", tags=["outbox"], response_model=DeadList, responses=problems(503))
    async def list_dead_letters(after: EntryId = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """What was given up, and why, the oldest first."""
        found = [{"id": name, **one} for name, one in await store.outbox.dead(after, limit)]
        return DeadList(data=found, next=str(found[-1]["id"]) if len(found) == limit else "").respond()  # type: ignore[arg-type]

    @api.post("/outbox/dead/retry", status_code=202, tags=["outbox"], response_model=Retried, responses=problems(503))
    async def retry_dead_letters(body: Retry | None = None) -> Response:
        """Try to deliver all of it again, the oldest first."""
        return Retried(retried=await store.outbox.retry_dead((body or Retry()).limit)).respond(202)

    @api.post(
        "/outbox/dead/{entry_id}/retry",
        status_code=202,
        tags=["outbox"],
        response_model=Retried,
        responses=problems(404, 503),
    )
    async def retry_dead_letter(entry_id: OneEntryId) -> Response:
        """Try to deliver this one again."""
        if not await store.outbox.retry_dead(1, entry_id):
            raise HTTPException(404, f"nothing that was given up has the id {entry_id}")
        return Retried(retried=1).respond(202)

    @api.get("/webhooks", tags=["webhooks"], response_model=WebhookList)
    async def list_webhooks() -> Response:
        """Who is told of calls, as the configuration says; without what signs."""
        hooks = gateway.settings.delivery.webhooks
        return WebhookList(
            data=[
                WebhookInfo(name=one.name, url=one.url, signed=bool(one.secret), events=list(one.events))
                for one in hooks
            ]
        ).respond()

    @api.post("/webhooks/test", tags=["webhooks"], response_model=WebhookTests, responses=problems(404))
    async def test_webhooks(body: TestHook | None = None) -> Response:
        """Deliver `webhook.test` now, once, and say what became of it: whatever events a webhook has asked for."""
        wanted = (body or TestHook()).name
        hooks = [one for one in gateway.settings.delivery.webhooks if wanted in ("", one.name)]
        if not hooks:
            raise HTTPException(404, f"there is no webhook {wanted!r}" if wanted else "no webhooks are configured")
        async with http_client() as client:
            told = await asyncio.gather(*(deliver_test(one, client) for one in hooks))
        return WebhookTests(
            data=[
                WebhookTest(name=one.name, url=one.url, delivered=not problem, problem=problem, ms=ms)
                for one, (problem, ms) in zip(hooks, told, strict=True)
            ]
        ).respond()

    return api


def _summed_up(states: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A trunk as its nodes find it, by node."""
    wrong, registered, up = [], list[bool](), list[bool]()
    for node, state in states.items():
        problems = list(state.get("problems", ()))
        if (registration := state.get("registration")) is not None:
            registered.append(not registration["problem"])
            problems.append(registration["problem"])
        servers = [one for one in state.get("servers", ()) if one["up"] is not None]
        if servers:
            up.append(any(one["up"] for one in servers))
            problems += [f"{one['server']}: {one['problem']}" for one in servers if one["problem"]]
        wrong += [f"{node}: {problem}" for problem in problems if problem]
    return {
        "registered": all(registered) if registered else None,
        "up": all(up) if up else None,
        "problem": "; ".join(wrong),
        "nodes": dict(states),
    }
