"""Calls over HTTP: who is on the telephone, who was, what happens, and everything that can be done about it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from gateway import events
from gateway.api import exports
from gateway.api.bodies import COMMANDS, Command, EntryId, Filters, NewCall
from gateway.api.models import (
    CallDetail,
    CallList,
    Commanded,
    EventList,
    Levels,
    Placed,
    SipMessages,
    record_of,
)
from gateway.api.openapi import problems
from gateway.api.peers import from_other
from gateway.api.problems import about, problem
from gateway.api.streams import follow, stream
from gateway.app import Gateway
from gateway.bridge import Call, OutboundCall
from gateway.bridge.media.levels import FLOOR, SAMPLES_A_SECOND
from gateway.call_record import CallState, timed
from gateway.destinations import split_trunk
from gateway.errors import BadCommand, GatewayError, StoreUnavailable
from gateway.sip import OutgoingInvite, Traced, capture

IdempotencyKey = Annotated[
    str,
    Header(
        max_length=255,
        description="A POST that bears one is carried out once in 24 hours; again it gets the first answer.",
    ),
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Server-sent events."}
}
PAGE = 500
MOST_EXPORTED = 100_000
"""Calls of one CSV file."""


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
            return told_as(first, {"Idempotent-Replayed": "true"})
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
        return told_as(told)

    async def found(wanted: Filters, whole: bool = False) -> tuple[list[dict[str, Any]], str]:
        """A page of records, and the cursor of those that follow.

        While Redis is away: what this node knows, or, where only the `whole` is of use, StoreUnavailable.
        """
        live = {call.info.call_id: call for call in board.calls}
        try:
            page, cursor = await store.calls.page(wanted.where, wanted.cursor, wanted.limit)
        except StoreUnavailable:
            if whole:
                raise
            page, cursor = [], ""
        except ValueError as error:
            raise HTTPException(422, f"cursor: {error}") from error
        seen = {record["call_id"] for record in page}
        fresh = [_as_it_is(live.get(one["call_id"]), one) for one in page]
        if not wanted.cursor and len(page) < wanted.limit:  # what has not reached Redis yet
            others = (call.record() for call_id, call in live.items() if call_id not in seen)
            fresh = [one for one in others if wanted.likes(one)] + fresh
        fresh = sorted(
            fresh[: wanted.limit], key=lambda one: (one["state"] == CallState.ENDED, -(one.get("started_at") or 0))
        )
        return [record_of(one) for one in fresh], cursor

    @api.get("/calls", response_model=CallList)
    async def list_calls(wanted: Annotated[Filters, Query()]) -> Response:
        """Calls in progress, then the ended ones, each the latest first; `next` is the cursor of those that follow.

        While Redis is away: those in progress on this node.
        """
        page, cursor = await found(wanted)
        return CallList(data=page, next=cursor).respond()  # type: ignore[arg-type]

    @api.get(
        "/calls.csv",
        response_class=Response,
        responses={
            200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "RFC 4180."},
            **problems(503),
        },
    )
    async def export_calls(wanted: Annotated[Filters, Query()]) -> Response:
        """The same calls as CSV, all pages of them, at most 100,000 calls; `limit` is that of a page."""
        page, cursor = await found(wanted, whole=True)

        async def lines() -> AsyncIterator[str]:
            nonlocal page, cursor
            yield exports.head()
            count = 0
            while True:
                count += len(page)
                yield exports.rows(page)
                if not cursor or count >= MOST_EXPORTED:
                    return
                page, cursor = await found(wanted.model_copy(update={"cursor": cursor, "limit": PAGE}), whole=True)

        named = {"Content-Disposition": 'attachment; filename="calls.csv"'}
        return StreamingResponse(lines(), headers=named, media_type="text/csv; charset=utf-8")

    @api.post("/calls", status_code=202, response_model=Placed, responses=problems(409, 503))
    async def place_call(request: Request, body: NewCall, idempotency_key: IdempotencyKey = "") -> Response:
        """Call somebody. Answers at once, with the call's id; the record tells what becomes of it."""

        async def work() -> dict[str, Any]:
            to, named = split_trunk(body.to)
            if named and body.trunk and named != body.trunk:
                raise BadCommand("trunk", f"is {body.trunk}, and `to` says {named}")
            trunk, *others = board.trunks_for(to, named or body.trunk)
            headers = tuple(body.headers.items())
            invite = OutgoingInvite(to, trunk, body.caller_id, headers, body.ring_seconds, body.anonymous)
            call_id = board.dial(OutboundCall(body.agent, invite, dict(body.variables), tuple(others)))
            return Placed(call_id=call_id, node=store.me).model_dump()

        return await once(request, body, work)

    @api.get("/calls/{call_id}", response_model=CallDetail, responses=problems(404, 503))
    async def get_call(call_id: str) -> Response:
        """A call's record with its events and, in `transcript`, what was said."""
        return CallDetail(**record_of(await whole(call_id))).respond()

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
            {"at": event["at"], **event["data"]}
            for event in record["events"]
            if event["type"] == events.Transcript.type
        ]
        return record

    @api.get(
        "/calls/{call_id}/events",
        response_model=EventList,
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events."},
            **problems(404, 503),
        },
    )
    async def list_call_events(
        request: Request,
        call_id: str,
        after: EntryId = "",
        limit: Annotated[int, Query(ge=1, le=2000)] = 500,
        last_event_id: Annotated[EntryId, Header()] = "",
    ) -> Response:
        """A call's events behind the one of that id; live, as they happen, where text/event-stream is accepted."""
        after = last_event_id or after
        page = await store.calls.events(call_id, after, limit)
        if not page and board.record(call_id) is None and await store.calls.record(call_id) is None:
            raise HTTPException(404, f"there is no call {call_id}")
        if "text/event-stream" in request.headers.get("accept", ""):
            return stream(follow(gateway, call_id, after))
        return EventList(data=timed(page), next=page[-1]["id"] if page else after).respond()

    @api.get("/events", response_class=Response, responses=STREAM)
    async def follow_events() -> Response:
        """What happens in all calls of all nodes, from now on, and how loud they are (text/event-stream).

        Events as those of a call, with `call_id` and, where it has changed, the `record`; and `levels`, by call.
        """
        return stream(store.watch.events())

    async def messages(call_id: str) -> list[dict[str, Any]]:
        record = await whole(call_id)
        ids = [record.get("sip_call_id", ""), *(one["data"].get("sip_call_id", "") for one in record["events"])]
        given = {"ids": [name for name in dict.fromkeys(ids) if name]}
        return list((await control.send_node_command(record.get("node", store.me), "sip", given))["messages"])

    @api.get("/calls/{call_id}/sip", response_model=SipMessages, responses=problems(404, 503, 504))
    async def list_sip_messages(call_id: str) -> Response:
        """The SIP messages of a call and of its transfers, without credentials, as far as its node remembers them."""
        return SipMessages(data=timed(await messages(call_id))).respond()

    @api.get(
        "/calls/{call_id}/pcap",
        response_class=Response,
        responses={
            200: {
                "content": {"application/vnd.tcpdump.pcap": {"schema": {"type": "string", "format": "binary"}}},
                "description": "For Wireshark.",
            },
            **problems(404, 503, 504),
        },
    )
    async def get_pcap(call_id: str) -> Response:
        """The same as a capture file: each message as one datagram, whatever it went over."""
        kept = capture(Traced(**one) for one in await messages(call_id))
        named = {"Content-Disposition": f'attachment; filename="{call_id}.pcap"'}
        return Response(kept, headers=named, media_type="application/vnd.tcpdump.pcap")

    @api.get("/calls/{call_id}/levels", response_model=Levels, responses=problems(404, 503))
    async def get_levels(call_id: str, after: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
        """How loud caller and agent were from the answer on, in dBm0; without the first `after` samples of each."""
        kept = control.levels.so_far(call_id)
        if not kept:
            record = await store.calls.record(call_id)
            if record is None:
                raise HTTPException(404, f"there is no call {call_id}")
            live = record.get("state") != CallState.ENDED and record.get("node") != store.me
            with contextlib.suppress(GatewayError):
                if live:
                    kept = bytes.fromhex((await control.send_command("levels", call_id, {}))["levels"])
            kept = kept or await store.calls.levels(call_id)
        sides = [[byte - FLOOR for byte in kept[2 * after + side :: 2]] for side in (0, 1)]
        return Levels(samples_a_second=SAMPLES_A_SECOND, floor=-FLOOR, caller=sides[0], agent=sides[1]).respond()

    @api.get(
        "/calls/{call_id}/recording",
        response_class=Response,
        responses={
            200: {
                "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}},
                "description": "Two channels: the caller on the left, the agent on the right.",
            },
            206: {"description": "The part that Range asked for."},
            **problems(404, 503, 504),
        },
    )
    async def get_recording(request: Request, call_id: str, file: str = "") -> Response:
        """The recording as WAV, from whichever node has it; `file` names one where there are several."""
        record = await whole(call_id)
        names = [event["data"]["file"] for event in record["events"] if event["type"] == events.RecordingStarted.type]
        if not names or (file and file not in names):
            raise HTTPException(404, f"the call {call_id} has no recording" + (f" {file}" if file else ""))
        name, folder = file or names[-1], gateway.settings.bridge.recordings
        if folder and (path := Path(folder) / name).is_file():
            return FileResponse(path, media_type="audio/wav", filename=name, content_disposition_type="inline")
        return await from_other(gateway, request, record.get("node", ""), "the recording")

    for one in COMMANDS:
        _add(api, gateway, one, once)

    @api.delete("/calls/{call_id}", status_code=202, response_model=Commanded, responses=problems(404, 503, 504))
    async def end_call(call_id: str) -> Response:
        """The same as hangup."""
        return Commanded(**_commanded(await control.send_command("hangup", call_id, {}))).respond(202)

    return api


def _add(api: APIRouter, gateway: Gateway, one: Command, once: Any) -> None:
    """POST /v1/calls/{call_id}/VERB."""

    async def do(request: Request, call_id: str, given: Any = None, idempotency_key: IdempotencyKey = "") -> Response:
        wanted = given or one.body()

        async def work() -> dict[str, Any]:
            return _commanded(await gateway.control.send_command(one.verb, call_id, wanted.model_dump()))

        done: Response = await once(request, wanted, work)
        return done

    do.__name__, do.__doc__ = one.name, one.doc
    do.__annotations__["given"] = one.body | None if one.optional else one.body
    if not one.optional:
        do.__defaults__ = ("",)
    api.add_api_route(
        f"/calls/{{call_id}}/{one.verb}",
        do,
        methods=["POST"],
        status_code=202,
        response_model=Commanded,
        responses=problems(404, 409, 503, 504),
    )


def told_as(told: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A first answer, as it is kept: `body` and `status`."""
    kind = "application/problem+json" if told["status"] >= 400 else "application/json"
    return JSONResponse(told["body"], told["status"], headers, kind)


def _commanded(record: dict[str, Any]) -> dict[str, Any]:
    told = Commanded(call_id=record["call_id"], state=record["state"], agent=record.get("agent", ""))
    return told.model_dump(mode="json")


def _as_it_is(call: Call | None, record: dict[str, Any]) -> dict[str, Any]:
    """What Redis knows of a call is a moment old."""
    return record if call is None or record["state"] == call.state else call.record()
