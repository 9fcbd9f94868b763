"""HTTP connections that take their time: what is begun has to be sent whole, and nobody has all of them.

uvicorn waits for the rest of a request for ever; this closes what is not whole in time.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_SECONDS = 15.0
"""From the first byte of a request, or from the connection, to the last."""

MAX_OF_ADDRESS = 200
"""Connections of one address at once: dashboards and other watchers keep theirs open."""

_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_MANY = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n"


class Connection(HttpToolsProtocol):
    """One connection. `exempt` may have as many as they like: proxies in front of us, by address or network, or `*`."""

    open: ClassVar[Counter[str]] = Counter()
    exempt: ClassVar[frozenset[str]] = frozenset()
    _timer: asyncio.TimerHandle | None = None
    _address = ""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.open[self._address] += 1
        if self.open[self._address] > MAX_OF_ADDRESS and not _is_among(self._address, self.exempt):
            transport.write(_MANY)
            transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_message_complete(self) -> None:
        self._settled()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._leave()  # it is another protocol's from here on
        super().handle_websocket_upgrade()

    def _leave(self) -> None:
        self._settled()
        self.open[self._address] -= 1
        if self.open[self._address] <= 0:
            del self.open[self._address]

    def _wait(self) -> None:
        self._settled()
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _settled(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.write(_SLOW)
            self.transport.close()


def _is_among(address: str, known: frozenset[str]) -> bool:
    """`known` are addresses and networks as `http.trusted_proxies` has them; what is neither is nobody's."""
    if "*" in known or address in known:
        return True
    for one in known:
        try:
            if ipaddress.ip_address(address) in ipaddress.ip_network(one):
                return True
        except ValueError:
            continue
    return False
