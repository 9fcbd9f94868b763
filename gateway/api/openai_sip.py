"""The control API of OpenAI's SIP connector, for programs that were written for it.

accept, reject, refer and hangup of a call, and its session over a WebSocket at `/v1/realtime?call_id=...`, where server
events are seen, all but the audio, and client events sent. Source: platform.openai.com/docs/guides/realtime-sip.
A client of OpenAI's, such as its SDK with `base_url` set to this gateway's /v1, works as it is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.api.openapi import problems
from gateway.api.problems import about
from gateway.app import Gateway
from gateway.bridge import Call
from gateway.call_record import CallState
from gateway.errors import BadCommand, GatewayError, NodeSilent, NoSuchCall

BACKLOG = 1000
"""Events that a watcher may be behind; one that is further behind is let go."""


DONE: dict[int | str, dict[str, Any]] = {
    200: {"description": "Done; the body is empty."},
    **problems(404, 409, 503, 504),
}
SESSION = {
    "requestBody": {
        "description": "A session as OpenAI's SIP connector takes it; what it leaves out is as the agent's file says.",
        "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
    }
}


class Reject(BaseModel, strict=True):
    status_code: int = Field(default=603, ge=300, le=699)


class Refer(BaseModel, strict=True):
    target_uri: str = Field(min_length=1, max_length=300)


def router(gateway: Gateway) -> APIRouter:
    api = APIRouter(prefix="/v1/realtime", tags=["OpenAI SIP"])
    control = gateway.control

    async def done(verb: str, call_id: str, given: dict[str, Any]) -> Response:
        """Errors as OpenAI's clients read them, in `error`, beside what ours say."""
        try:
            await control.send_command(verb, call_id, given)
        except GatewayError as error:
            refused = about(error)
            body = orjson.loads(refused.body)
            body["error"] = {"message": body["detail"], "type": "invalid_request_error", "code": type(error).__name__}
            return JSONResponse(body, refused.status_code, media_type="application/problem+json")
        return Response(status_code=200)

    @api.post("/calls/{call_id}/accept", response_class=Response, responses=DONE, openapi_extra=SESSION)
    async def openai_accept_call(request: Request, call_id: str) -> Response:
        """Answer the call with this session; what it leaves out is as the agent's file says."""
        try:
            session = orjson.loads(await request.body() or b"{}")
        except orjson.JSONDecodeError as error:
            raise BadCommand("body", f"is not JSON: {error}") from error
        if not isinstance(session, dict):
            raise BadCommand("body", "has to be a session object")
        return await done("accept", call_id, {"session": session})

    @api.post("/calls/{call_id}/reject", response_class=Response, responses=DONE)
    async def openai_reject_call(call_id: str, body: Reject | None = None) -> Response:
        """Refuse the call, by 603 where no other status is given."""
        return await done("reject", call_id, (body or Reject()).model_dump())

    @api.post("/calls/{call_id}/refer", response_class=Response, responses=DONE)
    async def openai_refer_call(call_id: str, body: Refer) -> Response:
        """Put the caller through to `target_uri`, sip: or tel:."""
        return await done("transfer", call_id, {"to": body.target_uri, "attended": False})

    @api.post("/calls/{call_id}/hangup", response_class=Response, responses=DONE)
    async def openai_hangup_call(call_id: str) -> Response:
        """End the call."""
        return await done("hangup", call_id, {})

    @api.websocket("")
    async def watch(socket: WebSocket, call_id: str = "") -> None:
        """The session of a call, on any node."""
        call = gateway.switchboard.find(call_id)
        try:
            if call:
                await socket.accept(_subprotocol(socket))
                await _serve(gateway, socket, call)
                return
            other = await _elsewhere(gateway, call_id)
            shown = {"authorization": f"Bearer {await gateway.store.access.peer_key()}"}
        except GatewayError as error:
            await socket.accept(_subprotocol(socket))
            await socket.send_text(_error(str(error)))
            await socket.close(1008, str(error)[:120])
            return
        await socket.accept(_subprotocol(socket))
        await _pass_on(socket, f"{other.replace('http', 'ws', 1)}/v1/realtime?call_id={call_id}", shown)

    return api


def _subprotocol(socket: WebSocket) -> str | None:
    return "realtime" if "realtime" in socket.scope.get("subprotocols", []) else None


def _error(message: str) -> str:
    error = {"type": "invalid_request_error", "code": "gateway", "message": message, "param": None, "event_id": None}
    return orjson.dumps({"type": "error", "event_id": f"event_{secrets.token_hex(8)}", "error": error}).decode()


async def _serve(gateway: Gateway, socket: WebSocket, call: Call) -> None:
    """Until the watcher leaves or the call ends."""
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(BACKLOG)

    def tap(event: dict[str, Any]) -> None:
        if queue.full():
            behind()
        else:
            queue.put_nowait(event)

    def behind() -> None:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)

    client = call.session
    while not client.begun and not call.ended:  # accepted, and the provider not there yet
        await asyncio.sleep(0.02)
    created = {"type": "session.created", "event_id": f"event_{secrets.token_hex(8)}", "session": client.described()}
    queue.put_nowait(created)
    client.taps.append(tap)

    async def down() -> None:
        while not call.ended or not queue.empty():
            try:
                async with asyncio.timeout(0.5):
                    event = await queue.get()
            except TimeoutError:
                continue
            if event is None:
                await socket.close(1008, "the watcher is too slow")
                return
            await socket.send_text(orjson.dumps(event).decode())
        await socket.close(1000, "the call has ended")

    async def up() -> None:
        while True:
            text = await socket.receive_text()
            try:
                event = orjson.loads(text)
                await gateway.control.send_command("steer", call.info.call_id, {"event": event})
            except (orjson.JSONDecodeError, GatewayError) as error:
                await socket.send_text(_error(str(error)))

    try:
        await _both(down(), up())
    finally:
        client.taps.remove(tap)


async def _both(*work: Any) -> None:
    """Until one of them ends."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error and not isinstance(error, WebSocketDisconnect | ConnectionClosed | RuntimeError):
                raise error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _elsewhere(gateway: Gateway, call_id: str) -> str:
    """The API of the node that has the call. Raises NoSuchCall, NodeSilent, StoreUnavailable."""
    record = await gateway.store.calls.record(call_id)
    if record is None or record.get("state") == CallState.ENDED:
        raise NoSuchCall(call_id)
    for node in await gateway.store.nodes.alive():
        if node["id"] == record["node"] and node.get("http"):
            return str(node["http"])
    raise NodeSilent(record["node"], 0.0)


@asynccontextmanager
async def _opened(url: str, headers: dict[str, str]) -> AsyncIterator[Any]:
    try:
        async with connect(url, additional_headers=headers, open_timeout=5) as other:
            yield other
    except OSError as error:
        raise NodeSilent(url, 5.0) from error


async def _pass_on(socket: WebSocket, url: str, shown: dict[str, str]) -> None:
    """Between a watcher here and the node that has the call."""
    async with _opened(url, shown) as other:

        async def down() -> None:
            async for text in other:
                await socket.send_text(text if isinstance(text, str) else text.decode())
            await socket.close(other.close_code or 1000, other.close_reason or "")

        async def up() -> None:
            while True:
                await other.send(await socket.receive_text())

        await _both(down(), up())
