"""What the receptionist can look up and do. Replace the bodies by your own calendar."""

from __future__ import annotations

from typing import Literal

from gateway.agents import CallContext, tool

TAKEN: dict[tuple[str, str], str] = {}
"""(day, time) to the caller who has it: a calendar that lasts as long as the process."""


@tool
def opening_hours() -> dict[str, str]:
    """When the house is open."""
    return {"days": "Monday to Friday", "opens": "eight in the morning", "closes": "six in the evening"}


@tool
async def book_appointment(
    day: Literal["today", "tomorrow"], time: Literal["eight", "nine", "ten", "noon"], call: CallContext
) -> dict[str, str]:
    """Book an appointment for the caller; says so when somebody else has it already."""
    holder = TAKEN.setdefault((day, time), call.caller.uri)
    if holder != call.caller.uri:
        return {"error": f"{day} at {time} is taken"}
    return {"booked": f"{day} at {time}"}
