"""Erasure: what is kept of a call, or of all calls of a number, goes from everywhere."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from gateway.api.models import Erased
from gateway.api.openapi import problems
from gateway.app import Gateway
from gateway.call_record import CallState
from gateway.retention import is_of

PAGE = 1000
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def router(gateway: Gateway) -> APIRouter:
    api = APIRouter(prefix="/v1/records", tags=["records"])
    store = gateway.store

    def note(request: Request, call_ids: list[str]) -> None:
        """That they were erased, and by whom; nothing of what they said."""
        who = request.state.principal
        for call_id in call_ids:
            store.access.note(
                at=time.time(),
                key=who.key_id,
                who=who.name,
                remote=(request.client.host if request.client else ""),
                method="DELETE",
                path=f"/v1/records/{call_id}",
                status=200,
                request_id=request.state.request_id,
            )

    @api.delete("/{call_id}", response_model=Erased, responses=problems(404, 409, 503))
    async def erase_record(request: Request, call_id: str) -> Response:
        """Erase a call that has ended: record, events, levels, recordings, SIP messages, and rows and lines of records.

        Webhooks are told by `record.erased`; nodes that are away do their part when they are back.
        """
        record = await store.calls.get(call_id)
        live = gateway.switchboard.record(call_id) or record
        if live and live["state"] != CallState.ENDED:
            raise HTTPException(409, f"the call {call_id} is in progress: end it first")
        known = record is not None
        erased, failed = list[str](), dict[str, str]()
        if CALL_ID.fullmatch(call_id):
            erased, failed = await gateway.erase([call_id], sip_ids(record or {}), known=known)
        if not erased:
            raise HTTPException(404, f"there is nothing of a call {call_id}")
        return Erased(erased=erased, failed=failed).respond()

    @api.delete("", response_model=Erased, responses=problems(503))
    async def erase_records_of_number(
        request: Request, number: Annotated[str, Query(min_length=1, max_length=200)]
    ) -> Response:
        """Erase all calls from and to a number, or a user of that name; those in progress stay, and are named.

        The audit has the ids of the calls, and not the number.
        """
        ended, live, sip, cursor = list[str](), list[str](), list[str](), ""
        while True:
            page, cursor = await store.calls.page(lambda one: is_of(one, number), cursor, PAGE)
            for one in page:
                (ended if one["state"] == CallState.ENDED else live).append(one["call_id"])
            if not cursor:
                break
        for call_id in ended:
            sip += sip_ids(await store.calls.get(call_id) or {})
        erased, failed = await gateway.erase(ended, sip, number)
        note(request, erased)
        return Erased(erased=erased, live=live, failed=failed).respond()

    return api


def sip_ids(record: dict[str, Any]) -> list[str]:
    """The Call-IDs of a call and its transfers."""
    found = [record.get("sip_call_id"), *(one["data"].get("sip_call_id") for one in record.get("events", ()))]
    return [one for one in dict.fromkeys(found) if one]
