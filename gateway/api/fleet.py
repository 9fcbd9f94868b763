"""What calls run on: nodes, agents, trunks; keys, the audit, and what waits to be told to others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.auth import Keys
from gateway.app import Gateway
from gateway.errors import StoreUnavailable


class Drain(BaseModel):
    model_config = ConfigDict(extra="forbid")
    on: bool = True


class NewKey(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=100)
    role: str = "read"


class Again(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: int = Field(default=1000, ge=1, le=10000)


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

    @api.get("/nodes", tags=["nodes"])
    async def nodes() -> dict[str, Any]:
        """Every node that is alive, with its calls and its problems; `me` is the one that answers."""
        return {"object": "list", "data": await known(), "me": store.me}

    @api.post("/nodes/{node}/drain", status_code=202, tags=["nodes"])
    async def drain(node: str, body: Drain | None = None) -> dict[str, Any]:
        """Have a node take no new calls, or take them again. Its calls go on, and the process with them."""
        if node not in {one["id"] for one in await known()}:
            raise HTTPException(404, f"there is no node {node}")
        return await gateway.control.order_node(node, "drain", {"on": body.on if body else True})

    @api.get("/agents", tags=["agents"])
    async def agents() -> dict[str, Any]:
        """Who answers here, and how many calls each has on all nodes."""
        live = sum((Counter(one["agents"]) for one in await known()), Counter[str]())
        rows = []
        for name, agent in gateway.settings.agents.items():
            definition = agent.definition
            called = [route.called for route in gateway.settings.bridge.routes if route.agent == name]
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
        return {"object": "list", "data": rows}

    @api.get("/trunks", tags=["trunks"])
    async def trunks() -> dict[str, Any]:
        """Who may call and be called, how many calls there are on all nodes, and whether we are registered."""
        found = await known()
        live = sum((Counter(one["trunks"]) for one in found), Counter[str]())
        rows = []
        for trunk in board.user_agent.core.trunks.trunks:
            row: dict[str, Any] = {"name": trunk.name, "calls": live[trunk.name], "max_calls": trunk.max_calls}
            told = {one["id"]: one["registrations"][trunk.name] for one in found if trunk.name in one["registrations"]}
            if told:
                wrong = {node: problem for node, problem in told.items() if problem}
                row |= {"registered": not wrong, "problem": "; ".join(f"{at}: {why}" for at, why in wrong.items())}
            rows.append(row)
        return {"object": "list", "data": rows}

    async def of_all(verb: str, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """What every node answers; those that do not are left out."""
        nodes = [str(one["id"]) for one in await known()]
        asked = [gateway.control.order_node(node, verb, given) for node in nodes]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return {node: one for node, one in zip(nodes, answers, strict=True) if isinstance(one, dict)}

    @api.get("/bans", tags=["trunks"])
    async def bans() -> dict[str, Any]:
        """Addresses, and accounts at them, that SIP is not listened to from for `seconds` more, on all nodes."""
        found = await of_all("bans", {})
        rows = [{"node": node, **one} for node, answer in found.items() for one in answer["bans"]]
        return {"object": "list", "data": rows}

    @api.delete("/bans/{address}", tags=["trunks"])
    async def lift_ban(address: str, account: str = "") -> dict[str, Any]:
        """Listen to an address again, or only to one account there."""
        found = await of_all("lift_ban", {"address": address, "account": account})
        lifted = sum(int(answer["lifted"]) for answer in found.values())
        if not lifted:
            raise HTTPException(404, f"nothing is banned at {address}" + (f" for {account}" if account else ""))
        return {"address": address, "account": account, "lifted": lifted}

    @api.get("/keys", tags=["keys"])
    async def list_keys() -> dict[str, Any]:
        """The API keys, without their secrets."""
        found = await store.access.keys()
        rows = [
            {"id": name, **{key: row[key] for key in ("name", "role", "created_at")}} for name, row in found.items()
        ]
        return {"object": "list", "data": sorted(rows, key=lambda row: float(row["created_at"]))}

    @api.post("/keys", status_code=201, tags=["keys"])
    async def add_key(body: NewKey) -> dict[str, Any]:
        """A new key, which is shown this once."""
        try:
            key_id, key = await store.access.add_key(body.name, body.role, time.time())
        except ValueError as error:
            raise HTTPException(422, f"role: {error}") from error
        keys.forget()
        return {"id": key_id, "name": body.name, "role": body.role, "key": key}

    @api.delete("/keys/{key_id}", tags=["keys"])
    async def remove_key(key_id: str) -> dict[str, Any]:
        """From now on nobody may use it: on other nodes within five seconds."""
        if not await store.access.remove_key(key_id):
            raise HTTPException(404, f"there is no key {key_id}")
        keys.forget()
        return {"id": key_id, "removed": True}

    @api.get("/audit", tags=["keys"])
    async def audit(before: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, Any]:
        """Who asked for what, and what came of it, the latest first."""
        found = await store.access.audit(before, limit)
        return {"object": "list", "data": found, "next": found[-1]["id"] if len(found) == limit else ""}

    @api.get("/outbox", tags=["outbox"])
    async def outbox() -> dict[str, Any]:
        """How much waits to be delivered, and how much was given up."""
        waiting, dead = await store.outbox.lengths()
        return {"waiting": waiting, "dead": dead}

    @api.get("/outbox/dead", tags=["outbox"])
    async def dead(after: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, Any]:
        """What was given up, and why, the oldest first."""
        found = [{"id": name, **one} for name, one in await store.outbox.dead(after, limit)]
        return {"object": "list", "data": found, "next": found[-1]["id"] if len(found) == limit else ""}

    @api.post("/outbox/dead/again", status_code=202, tags=["outbox"])
    async def again(body: Again | None = None) -> dict[str, Any]:
        """Try to deliver it again."""
        return {"again": await store.outbox.dig_up((body or Again()).limit)}

    return api
