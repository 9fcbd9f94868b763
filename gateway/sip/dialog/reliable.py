"""Provisional responses that are acknowledged by PRACK (RFC 3262), from the side that sends them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sip.message.message import Request, Response

_RACK = 3  # fields: RSeq, CSeq number, method


@dataclass(slots=True)
class Provisional:
    """One response on its way; `interval` is the wait before it is sent again, in s, doubled each time (section 3)."""

    response: Response
    rseq: int
    interval: float

    def acknowledged_by(self, prack: Request) -> bool:
        """Whether its RAck names this response (section 7.2)."""
        fields = (prack.headers.get("RAck") or "").split()
        cseq = self.response.cseq
        return len(fields) == _RACK and fields == [str(self.rseq), str(cseq.number), cseq.method]


def required(request: Request) -> bool:
    """The caller wants every provisional response but 100 sent reliably."""
    return "100rel" in {tag.lower() for tag in request.headers.all("Require")}


def supported(request: Request) -> bool:
    """The caller can acknowledge them."""
    return required(request) or "100rel" in {tag.lower() for tag in request.headers.all("Supported")}
