"""Keys by INFO, in each of the ways that PBXs, phones and carriers have for it.

`application/dtmf-relay` (Signal=5), `application/dtmf` (5, or Signal=5), `application/vnd.nortelnetworks.digits`
(d=5) and `audio/telephone-event` (an event of RFC 4733, as text or as its four bytes).
"""

from __future__ import annotations

import re

from gateway.sip.message.message import Request, Response

TYPES = (
    "application/dtmf-relay", "application/dtmf", "application/vnd.nortelnetworks.digits", "audio/telephone-event"
)  # fmt: skip
_FIELD = re.compile(
    rb"(?:^|[\r\n])[ \t]*(?:signal|d|digits?)[ \t]*=[ \t]*\"?([^\r\n\"]*?)\"?[ \t]*(?=[\r\n]|$)", re.IGNORECASE
)
_KEY = re.compile(r"[0-9*#A-D]|1[0-6]|flash|hf", re.IGNORECASE)
_DIGITS = "0123456789*#ABCD"  # events 10 to 15 by their numbers (RFC 4733 section 3.2)
_SEVERAL = re.compile(r"[0-9*#A-D]{2,40}")


def keys_of(request: Request) -> str | None:
    """The keys that were pressed, of 0-9 * # A-D; empty for a flash hook, None where the body tells of none."""
    if request.content_type not in TYPES:
        return None
    body = request.body
    if request.content_type == TYPES[3] and len(body) == 4 and not body.strip().isalnum():
        return _DIGITS[body[0]] if body[0] < len(_DIGITS) else ""
    found = _FIELD.search(body)
    text = (found[1] if found else body).decode("latin-1").strip().upper()
    if _KEY.fullmatch(text):
        if text.isdigit():
            return _DIGITS[int(text)] if int(text) < len(_DIGITS) else ""
        return text if len(text) == 1 else ""
    several = request.content_type == TYPES[2] and _SEVERAL.fullmatch(text)  # it may collect them
    return text if several else None


def receive(request: Request) -> tuple[str, Response]:
    """The keys, and the answer: 415 for what is something else."""
    keys = keys_of(request)
    response = request.respond(415 if keys is None and request.body else 200)
    if response.status == 415:
        response.headers.add("Accept", ", ".join(TYPES))
    return keys or "", response
