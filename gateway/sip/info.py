"""Keys by INFO, as older PBXs send them: `application/dtmf-relay` (Signal=5) and `application/dtmf` (5)."""

from __future__ import annotations

import re

from gateway.sip.message import Request, Response

TYPES = ("application/dtmf-relay", "application/dtmf")
_SIGNAL = re.compile(rb"(?:^|\n)\s*signal\s*=\s*([0-9*#a-d]|1[0-5])\s*(?:\r|\n|$)", re.IGNORECASE)
_PLAIN = re.compile(rb"\s*([0-9*#a-d]|1[0-5])\s*", re.IGNORECASE)
_DIGITS = "0123456789*#ABCD"  # events 10 to 15 by their numbers (RFC 4733 section 3.2)


def digit_of(request: Request) -> str | None:
    """The key that was pressed, one of 0-9 * # A-D; None where the body tells of none."""
    if request.content_type == TYPES[0]:
        found = _SIGNAL.search(request.body)
    elif request.content_type == TYPES[1]:
        found = _PLAIN.fullmatch(request.body)
    else:
        return None
    if found is None:
        return None
    key = found[1].decode().upper()
    return _DIGITS[int(key)] if key.isdigit() else key


def receive(request: Request) -> tuple[str | None, Response]:
    """The key, and the answer: 415 for what is something else."""
    digit = digit_of(request)
    response = request.respond(200 if digit or not request.body else 415)
    if response.status == 415:
        response.headers.add("Accept", ", ".join(TYPES))
    return digit, response
