"""A caller behind a bad network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from tests.caller import Caller


@dataclass
class Far(Caller):
    """`loss` of its packets go astray, `burst` in a row; the others come up to `jitter` s later, out of order."""

    loss: float = 0.03
    burst: int = 1
    jitter: float = 0.03
    lost: list[int] = field(default_factory=list)  # which, counted from the first

    def __post_init__(self) -> None:
        self._dice = np.random.default_rng(4)
        self._number, self._bad = 0, 0

    def send_rtp(self, payload: bytes, payload_type: int = 0) -> None:
        packet, self._number = self.next_rtp(payload, payload_type), self._number + 1
        if self._bad == 0 and self._dice.random() < self.loss / self.burst:
            self._bad = self.burst
        if self._bad:
            self._bad -= 1
            self.lost.append(self._number - 1)
        else:
            asyncio.get_running_loop().call_later(self._dice.random() * self.jitter, self.send_garbage, packet)
