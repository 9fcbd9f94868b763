"""Who holds a call, and why: held as long as any reason stands. The one place that knows; the leg does as it is told.

gateway   an operator, or the agent by its tool: the caller hears music, and the agent does not hear the caller
transfer  while a target is called and joined: the same
caller    the caller's own telephone holds us (RFC 3264 section 8.4): it does as it likes, and we say so
"""

from __future__ import annotations

from typing import Any, Literal

from gateway.bridge.call.part import CallPort, Part

HoldReason = Literal["gateway", "transfer", "caller"]


class HoldState(Part):
    """One call's."""

    name = "hold"

    def __init__(self, call: CallPort) -> None:
        super().__init__(call)
        self._reasons: dict[HoldReason, None] = {}
        self._told = False  # what the leg was told

    def snapshot(self) -> dict[str, Any]:
        return {"reasons": self.reasons}

    @property
    def reasons(self) -> list[HoldReason]:
        """In the order in which they came."""
        return list(self._reasons)

    @property
    def music(self) -> bool:
        """The caller is on hold, for a reason of ours."""
        return bool(self._reasons.keys() - {"caller"})

    def set(self, reason: HoldReason, on: bool) -> bool:
        """Whether that was news."""
        news = on != (reason in self._reasons)
        if on:
            self._reasons[reason] = None
        else:
            self._reasons.pop(reason, None)
        self.render()
        return news

    def render(self, anew: bool = False) -> None:
        """Tell the leg what differs from what it knows; `anew`: it is another one, and knows nothing."""
        if anew:
            self._told = False
        if self.music != self._told:
            self._told = self.music
            self.call.leg.hold(self.music)
