"""Calendars: which are open, until when, and what was said of them by hand."""

from __future__ import annotations

import asyncio
import time

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from gateway.api.bodies import Body, Time
from gateway.api.models import CalendarInfo, CalendarList
from gateway.api.openapi import problems
from gateway.app import Gateway
from gateway.call_record import timed
from gateway.hours import FARTHEST_DAYS, Override

log = structlog.get_logger("gateway.api")


class NewOverride(Body):
    """`until` left out: until the calendar's own next change, or for 370 days where it has none."""

    open: bool
    until: Time | None = None


def router(gateway: Gateway) -> APIRouter:
    api = APIRouter(prefix="/v1")
    overrides = gateway.store.overrides

    def told(name: str, now: float) -> CalendarInfo:
        calendar = gateway.settings.bridge.hours[name]
        said = gateway.switchboard.overrides.get(name)
        said = said if said and now < said.until else None
        row = {
            "name": name,
            "timezone": calendar.zone.key,
            "open": said.open if said else calendar.open_at(now),
            "until_at": said.until if said else calendar.changes_at(now),
            "overridden_by": said.by if said else None,
        }
        return CalendarInfo(**timed(row))

    def check(name: str) -> None:
        if name not in (known := gateway.settings.bridge.hours):
            raise HTTPException(404, f"there are no hours {name}; these are: {', '.join(known) or 'none'}")

    @api.get("/hours", tags=["agents"], response_model=CalendarList)
    async def list_hours() -> Response:
        """Each calendar of the gateway's file: whether it is open, and until when."""
        now, names = time.time(), list(gateway.settings.bridge.hours)
        rows = await asyncio.to_thread(lambda: [told(name, now) for name in names])  # one that never changes: 5 ms
        return CalendarList(data=rows).respond()

    @api.post("/hours/{name}/override", tags=["agents"], response_model=CalendarInfo, responses=problems(404, 422, 503))
    async def override_hours(name: str, body: NewOverride, request: Request) -> Response:
        """Open or close on all nodes until a time, whatever the calendar has. Calls in progress stay."""
        check(name)
        now = time.time()
        farthest = now + FARTHEST_DAYS * 86400
        until = body.until
        if until is None:
            until = gateway.settings.bridge.hours[name].changes_at(now) or farthest
        if not now < until <= farthest:
            raise HTTPException(422, f"until has to be a time to come, within {FARTHEST_DAYS} days")
        await overrides.put(name, Override(body.open, until, request.state.principal.name))
        log.info("api.hours_overridden", hours=name, open=body.open, until=until, who=request.state.principal.name)
        await gateway.control.ask_all_nodes("hours", {})
        return told(name, now).respond()

    @api.delete("/hours/{name}/override", tags=["agents"], response_model=CalendarInfo, responses=problems(404, 503))
    async def remove_override(name: str, request: Request) -> Response:
        """Go by the calendar again."""
        check(name)
        if not await overrides.remove(name):
            raise HTTPException(404, f"nothing was said of the hours {name}")
        log.info("api.hours_as_written", hours=name, who=request.state.principal.name)
        await gateway.control.ask_all_nodes("hours", {})
        return told(name, time.time()).respond()

    return api
