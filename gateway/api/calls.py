"""Calls over HTTP: who is on the telephone, who was, what happens, and everything that can be done about it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from gateway.api.bodies import COMMANDS, DOCS, Filters, Mute, NewCall, Nothing, Switch
from gateway.api.problems import about, problem
from gateway.api.streams import follow, stream
from gateway.app import Gateway
from gateway.bridge import Call, DialOrder
from gateway.bridge.levels import FLOOR, SAMPLES_A_SECOND
from gateway.errors import GatewayError, StoreUnavailable
from gateway.sip import Order


def answer(body: dict[str, Any]) -> Response:
    """JSON at a tenth of the time that FastAPI's own way takes: the loop is the media's too."""
    return Response(orjson.dumps(body), media_type="application/json")


def router(gateway: Gateway) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["calls"])
    board, control, store = gateway.switchboard, gateway.control, gateway.store

    async def once(request: Request, body: BaseModel, work: Callable[[], Awaitable[dict[str, Any]]]) -> Response:
        """Carry out a command; one that bears an Idempotency-Key only the first time."""
        key = request.headers.get("idempotency-key", "")
        if not key:
            return JSONResponse(await work(), 202)
        who = request.state.principal.key_id
        name = hashlib.sha256(f"{who} {request.url.path} {key}".encode()).hexdigest()
        print_ = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        known = await store.access.begin(name, print_)
        if known is not None:
            if known["request"] != print_:
                return problem(422, "this Idempotency-Key was used for another request", errors=[
                    {"field": "Idempotency-Key", "problem": "was used for another request"}])  # fmt: skip
            if "answer" not in known:
                return problem(409, "the first request with this Idempotency-Key has not ended yet")
            first = known["answer"]
            return JSONResponse(first["body"], first["status"], {"Idempotent-Replayed": "true"})
        try:
            told: dict[str, Any] = {"status": 202, "body": await work()}
        except GatewayError as error:
            refused = about(error)
            if refused.status_code >= 500:
                await store.access.finish(name, print_, None)
                raise
            told = {"status": refused.status_code, "body": orjson.loads(refused.body)}
        except BaseException:
            await store.access.finish(name, print_, None)
            raise
        await store.access.finish(name, print_, told)
        return JSONResponse(told["body"], told["status"])

    @api.get("/calls")
    async def calls(wanted: Annotated[Filters, Query()]) -> Response:
        """Calls in progress, then the ended ones, each the latest first; `next` is the cursor of those that follow.

        While Redis is away: those in progress on this node.
        """
        live = {call.facts.call_id: call for call in board.calls}
        try:
            found, cursor = await store.calls.page(wanted.where, wanted.cursor, wanted.limit)
        except StoreUnavailable:
            found, cursor = [], ""
        except ValueError as error:
            raise HTTPException(422, f"cursor: {error}") from error
        seen = {record["call_id"] for record in found}
        fresh = [_as_it_is(live.get(one["call_id"]), one) for one in found]
        if not wanted.cursor and len(found) < wanted.limit:  # what has not reached Redis yet
            others = (call.record() for call_id, call in live.items() if call_id not in seen)
            fresh = [one for one in others if wanted.likes(one)] + fresh
        fresh = sorted(fresh[: wanted.limit], key=lambda one: (one["state"] == "ended", -(one.get("started_at") or 0)))
        return answer({"object": "list", "data": fresh, "next": cursor})

    @api.post("/calls", status_code=202)
    async def dial(request: Request, body: NewCall) -> Response:
        """Call somebody. Answers at once, with the call's id; the record tells what becomes of it."""

        async def work() -> dict[str, Any]:
            trunk = board.trunk(body.trunk)
            headers = tuple(body.headers.items())
            order = Order(body.to, trunk, body.caller_id, headers, body.ring_seconds, body.anonymous)
            return {"call_id": board.dial(DialOrder(body.agent, order, dict(body.variables))), "node": store.me}

        return await once(request, body, work)

    @api.get("/calls/{call_id}")
    async def one(call_id: str) -> Response:
        """A call's record with its events and, in `transcript`, what was said."""
        return answer(await whole(call_id))

    async def whole(call_id: str) -> dict[str, Any]:
        live = board.record(call_id)
        try:
            record = await store.calls.get(call_id)
        except StoreUnavailable:
            if live is None:
                raise
            record = None
        if record is None and live is None:
            raise HTTPException(404, f"there is no call {call_id}")
        record = {"events": [], **(record or {}), **(live or {})}
        record["transcript"] = [
            {"at": event["at"], "role": event["data"]["role"], "text": event["data"]["text"]}
            for event in record["events"]
            if event["type"] == "transcript"
        ]
        return record

    @api.get("/calls/{call_id}/events")
    async def events(
        request: Request,
        call_id: str,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=2000)] = 500,
        last_event_id: Annotated[str, Header()] = "",
    ) -> Response:
        """A call's events behind the one of that id; live, as they happen, where text/event-stream is accepted."""
        after = last_event_id or after
        try:
            found = await store.calls.events(call_id, after, limit)
        except ValueError as error:
            raise HTTPException(422, f"after: {error}") from error
        if not found and not after and board.record(call_id) is None and await store.calls.record(call_id) is None:
            raise HTTPException(404, f"there is no call {call_id}")
        if "text/event-stream" in request.headers.get("accept", ""):
            return stream(follow(gateway, call_id, after))
        return answer({"object": "list", "data": found, "next": found[-1]["id"] if found else after})

    @api.get("/events")
    async def all_events() -> Response:
        """What happens in all calls of all nodes, from now on, and how loud they are (text/event-stream)."""
        return stream(store.watch.events())

    @api.get("/calls/{call_id}/sip")
    async def trace(call_id: str) -> Response:
        """The SIP messages of a call and of its transfers, without credentials, as far as its node remembers them."""
        record = await whole(call_id)
        ids = [record["sip_call_id"], *(event["data"].get("sip_call_id", "") for event in record["events"])]
        given = {"ids": [name for name in dict.fromkeys(ids) if name]}
        node = record.get("node", store.me)
        found = await control.order_node(node, "sip", given)
        return answer({"object": "list", "data": found["messages"]})

    @api.get("/calls/{call_id}/levels")
    async def levels(call_id: str) -> Response:
        """How loud caller and agent were from the answer on, in dBm0."""
        kept = control.levels.so_far(call_id)
        if not kept:
            record = await store.calls.record(call_id)
            if record is None:
                raise HTTPException(404, f"there is no call {call_id}")
            live = record.get("state") != "ended" and record.get("node") != store.me
            with contextlib.suppress(GatewayError):
                if live:
                    kept = bytes.fromhex((await control.order("levels", call_id, {}))["levels"])
            kept = kept or await store.calls.levels(call_id)
        sides = [[byte - FLOOR for byte in kept[side::2]] for side in (0, 1)]
        return answer({"samples_a_second": SAMPLES_A_SECOND, "floor": -FLOOR, "caller": sides[0], "agent": sides[1]})

    @api.get("/calls/{call_id}/recording")
    async def recording(request: Request, call_id: str, file: str = "") -> Response:
        """The recording as WAV, from whichever node has it; `file` names one where there are several."""
        record = await whole(call_id)
        names = [event["data"]["file"] for event in record["events"] if event["type"] == "recording_started"]
        if not names or (file and file not in names):
            raise HTTPException(404, f"the call {call_id} has no recording" + (f" {file}" if file else ""))
        name, folder = file or names[-1], gateway.settings.bridge.recordings
        if folder and (path := Path(folder) / name).is_file():
            return FileResponse(path, media_type="audio/wav", filename=name, content_disposition_type="inline")
        return await _from_other(gateway, request, record)

    command(api, gateway, "hangup", None, once)
    for verb, body in COMMANDS.items():
        command(api, gateway, verb, body, once)

    @api.delete("/calls/{call_id}", status_code=202)
    async def end(call_id: str) -> dict[str, Any]:
        """The same as hangup."""
        return _answer(await control.order("hangup", call_id, {}))

    return api


def command(api: APIRouter, gateway: Gateway, verb: str, body: type[BaseModel] | None, once: Any) -> None:
    """POST /v1/calls/{call_id}/VERB."""
    kind: Any = body or Nothing

    async def do(request: Request, call_id: str, given: Any = None) -> Response:
        wanted = given or kind()

        async def work() -> dict[str, Any]:
            return _answer(await gateway.control.order(verb, call_id, wanted.model_dump()))

        done: Response = await once(request, wanted, work)
        return done

    do.__annotations__["given"] = kind if body and body is not Switch and body is not Mute else kind | None
    do.__name__, do.__doc__ = verb, DOCS[verb]
    if body and body is not Switch and body is not Mute:
        do.__defaults__ = None
    api.add_api_route(f"/calls/{{call_id}}/{verb}", do, methods=["POST"], status_code=202)


def _answer(record: dict[str, Any]) -> dict[str, Any]:
    return {"call_id": record["call_id"], "state": record["state"], "agent": record.get("agent", "")}


def _as_it_is(call: Call | None, record: dict[str, Any]) -> dict[str, Any]:
    """What Redis knows of a call is a moment old."""
    return record if call is None or record["state"] == call.state else call.record()


async def _from_other(gateway: Gateway, request: Request, record: dict[str, Any]) -> Response:
    """A recording that lies on another node's disk, by its own API."""
    node = next((one for one in await gateway.store.nodes.alive() if one["id"] == record.get("node")), None)
    if node is None or node["id"] == gateway.store.me or not node.get("http"):
        raise HTTPException(404, f"the recording is not on this node, and {record.get('node')} is gone")
    url = f"{node['http']}{request.url.path}"
    keep = {name: value for name, value in request.headers.items() if name == "range"}
    keep["authorization"] = f"Bearer {await gateway.store.access.peer_key()}"
    client = httpx.AsyncClient(timeout=10.0)
    try:
        answer = await client.send(
            client.build_request("GET", url, headers=keep, params=request.query_params), stream=True
        )
    except httpx.HTTPError as error:
        await client.aclose()
        raise HTTPException(504, f"{node['id']} does not answer: {error}") from error

    async def body() -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_bytes():
                yield piece
        finally:
            await answer.aclose()
            await client.aclose()

    passed = {name: answer.headers[name] for name in ("content-length", "content-range") if name in answer.headers}
    return StreamingResponse(body(), answer.status_code, passed, answer.headers.get("content-type"))
