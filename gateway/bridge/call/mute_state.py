"""Who is not heard: the caller by the agent, or the agent by the caller. The one place that knows."""

from __future__ import annotations

from typing import Any

from gateway.bridge.call.hold_state import HoldState
from gateway.bridge.call.part import CallPort, Part
from gateway.call_record import CallState


class MuteState(Part):
    """One call's."""

    name = "mute"

    def __init__(self, call: CallPort, hold: HoldState) -> None:
        super().__init__(call)
        self._hold = hold
        self.caller = self.agent = False

    def snapshot(self) -> dict[str, Any]:
        return {"muted": self.muted}

    @property
    def muted(self) -> list[str]:
        """caller, agent or both, as asked for by a command."""
        return [who for who, on in (("caller", self.caller), ("agent", self.agent)) if on]

    @property
    def input_muted(self) -> bool:
        """The agent is not to hear the caller, nor the music that is played to them."""
        return self._hold.music or self.caller or self.call.state is CallState.TRANSFERRING

    def render(self) -> None:
        """Tell the leg."""
        self.call.leg.mute_input(self.input_muted)
