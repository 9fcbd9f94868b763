"""A call that came in, put through before it is answered: the caller hears it ring until somebody picks up."""

from __future__ import annotations

from typing import Any, Protocol

from gateway import events
from gateway.bridge.call.actions import DialSecondLeg
from gateway.bridge.call.part import CallPort
from gateway.bridge.call.transfer import SecondParty
from gateway.bridge.reasons import outcome_of_status
from gateway.destinations import Destination
from gateway.outcomes import Outcome


class Whom(Protocol):
    def failed(self, problem: str, outcome: Outcome, now: float, status: int = 0) -> None:
        """Nobody picked up; `status` is a SIP status, or 0."""


class Forward(SecondParty):
    """One way to a telephone."""

    name = "forward"

    def __init__(self, call: CallPort, to: Destination, whom: Whom) -> None:
        super().__init__(call)
        self.to, self._whom, self.joined = to, whom, False

    def snapshot(self) -> dict[str, Any]:
        return {"to": str(self.to), "joined": self.joined}

    def begin(self, now: float) -> None:
        self.call.act(DialSecondLeg(self.to.name, self, trunk=self.to.trunk))

    def other_ringing(self, status: int, now: float) -> None:
        self.call.emit(events.TransferProgress(status, ""), now)

    def other_answered(self, now: float) -> None:
        assert self.other is not None
        self.joined = True
        self.call.leg.answer()
        self.call.connected(now)
        self.call.leg.join(self.other)
        self.call.put_through(str(self.to), now)

    def target_left(self, problem: str, status: int, now: float) -> None:
        if self.joined:
            self.call.hang_up(Outcome.TRANSFERRED, now, bridged=True)
            return
        self.release("nobody answered")
        self._whom.failed(problem, outcome_of_status(status), now, status)
