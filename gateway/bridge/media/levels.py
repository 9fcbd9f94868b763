"""How loud both voices of a call were, from its answer to its end: what a picture of the call is drawn from."""

from __future__ import annotations

from collections.abc import Mapping

SAMPLES_A_SECOND = 20
"""So that words can be told apart in the picture."""

SHOWN_A_SECOND = 5
"""Of them, to who looks on."""

MOST_SECONDS = 7200
FLOOR = 90
"""A byte is dBm0 plus this."""


class Levels:
    """Of all calls of a node. `sample` is called so many times a second."""

    def __init__(self) -> None:
        self._kept: dict[str, bytearray] = {}

    def sample(self, found: Mapping[str, tuple[int, int]]) -> None:
        """The caller's and the agent's level now, in dBm0, by call."""
        for call_id, both in found.items():
            kept = self._kept.setdefault(call_id, bytearray())
            if len(kept) < 2 * SAMPLES_A_SECOND * MOST_SECONDS:
                kept.extend(min(max(level + FLOOR, 0), 255) for level in both)

    def take(self, call_id: str) -> bytes:
        """All of a call that has ended: caller and agent in turn, a byte each."""
        return bytes(self._kept.pop(call_id, b""))

    def so_far(self, call_id: str) -> bytes:
        return bytes(self._kept.get(call_id, b""))
