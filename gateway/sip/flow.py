"""Where a message came from, and where one goes."""

from __future__ import annotations

from dataclasses import dataclass

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to a peer. `local` is how the peer sees us; `connection` is a TCP connection (0: any, or a new one).

    `name` is whose certificate a TLS connection has to show, where that is not the host itself (RFC 5922); `tls` is the
    trunk whose own certificates and authorities are used, empty for those of `sip.tls`.
    """

    transport: str  # udp, tcp, tls
    remote: Address
    local: Address
    connection: int = 0
    name: str = ""
    tls: str = ""

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"

    def __str__(self) -> str:
        return f"{self.transport}:{self.remote[0]}:{self.remote[1]}"
