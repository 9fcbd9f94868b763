"""Faults on demand, for tests of Realtime clients: `model=NAME+FAULT:VALUE`, as many as one likes.

close: the connection is dropped after so many s. stall: nothing is sent any more after so many s. error: a
`server_error` after so many s. slow: every event waits so many s. garbage: what is no event, every so many s. refuse:
the handshake is answered with this status. expire: the session ends, as old ones do, after so many s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULTS = {
    "close": 1.0,
    "stall": 1.0,
    "error": 1.0,
    "slow": 0.2,
    "garbage": 0.5,
    "refuse": 503.0,
    "expire": 5.0,
}
"""By kind, where no value is given."""

GARBAGE = ("not json", "[1, 2]", '{"no": "type"}', '{"type": "response.output_audio.delta", "delta": "%%%"}', "{}")


@dataclass(frozen=True, slots=True)
class Faults:
    """What is to go wrong in one session: by kind, in s or as a status."""

    wanted: dict[str, float]

    def get(self, kind: str) -> float | None:
        return self.wanted.get(kind)


def parse(model: str) -> tuple[str, Faults]:
    """The model's own name, and what is asked for with it. Raises ValueError for a fault that there is not."""
    name, *parts = re.split(r"[+ ]", model)  # a plus in a query is a space
    wanted = {}
    for part in parts:
        kind, _, value = part.partition(":")
        if kind not in DEFAULTS:
            raise ValueError(f"there is no fault {kind!r}; these are: {', '.join(DEFAULTS)}")
        wanted[kind] = float(value) if value else DEFAULTS[kind]
    return name, Faults(wanted)
