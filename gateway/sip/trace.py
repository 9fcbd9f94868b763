"""What went over the wire for each call, without credentials and keys; the latest calls are remembered."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from dataclasses import dataclass

from gateway.sip.flow import Flow

MAX_MESSAGES = 200
"""Of one call; the oldest are forgotten."""

_SECRET = re.compile(
    rb"^((?:proxy-)?authorization|(?:proxy|www)-authenticate|identity|a=crypto|signal)([ \t]*[:=])[^\r\n]*",
    re.IGNORECASE | re.MULTILINE,
)
_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Traced:
    """One message. `at` in s, monotonic; `what` is sent or received; `local` is address:port."""

    at: float
    what: str
    peer: str
    message: str
    local: str = ""


class Trace:
    """Of the `calls` latest; 0 remembers none."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._known: OrderedDict[str, deque[Traced]] = OrderedDict()

    def note(self, at: float, what: str, data: bytes, flow: Flow) -> None:
        found = _CALL_ID.search(data) if self._calls else None
        if found is None:
            return
        call_id = found[1].decode("utf-8", "replace").strip()
        messages = self._known.get(call_id)
        if messages is None:
            if not (b"INVITE sip" in data[:11] or b"INVITE tel" in data[:11]):
                return  # a registration, a health check, or of a call that is forgotten
            messages = self._known[call_id] = deque(maxlen=MAX_MESSAGES)
            if len(self._known) > self._calls:
                self._known.popitem(last=False)
        messages.append(Traced(at, what, str(flow), readable(data), f"{flow.local[0]}:{flow.local[1]}"))

    def forget(self, call_id: str) -> None:
        self._known.pop(call_id, None)

    def of(self, call_id: str) -> list[Traced]:
        """By the Call-ID of SIP."""
        return list(self._known.get(call_id, ()))


def readable(data: bytes) -> str:
    """A message as text, its credentials and keys left out."""
    return _SECRET.sub(rb"\1\2 ***", data).decode("utf-8", "replace")
