"""A call whose provider fails: the gap until another session is there, and what becomes of the caller when none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import events
from gateway.agents import expand
from gateway.bridge.call.transfer import LAST_WORD_SECONDS, Transfer
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from gateway.realtime import Broken, Lost, Renewed, Restored, ToolCall, Unreached

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call

GAP_SECONDS = 1.5
"""Without a session, after which the caller hears music instead of nothing."""


class Fallback:
    """One call's. With no session left: a prompt, where there is one, then somebody else's telephone or the end."""

    def __init__(self, call: Call, prompt: bytes | None) -> None:
        self._call, self._prompt = call, prompt
        self._problem = ""
        self._gap_at: float | None = None  # when music begins, where nobody has spoken by then
        self._music = False

    def receive(self, event: Unreached | Broken | Restored | Renewed | Lost, now: float) -> None:
        """What happens to the agent's session."""
        call = self._call
        match event:
            case Unreached():
                call.stats.provider_faults += 1
                call.emit(events.ProviderFailed(provider=event.provider, problem=event.problem), now)
            case Broken():
                call.emit(events.ProviderBroken(provider=event.provider, problem=event.problem), now)
                self.gap(now)
            case Renewed():
                call.stats.provided_by(event.provider)
                call.emit(events.ProviderRenewed(provider=event.provider), now)
            case Restored():
                self.gap_over()
                call.stats.provided_by(event.provider)
                call.stats.reconnects += 1
                call.emit(events.ProviderRestored(event.provider, round(event.seconds, 4), event.attempts), now)
            case Lost() if call.state is not CallState.BRIDGED:
                self.gap_over()
                if not call.talking or not self.begin(event.problem, now):
                    call.hang_up(Outcome.PROVIDER_LOST, now, problem=event.problem)

    def gap(self, now: float, seconds: float = GAP_SECONDS) -> None:
        """There is nobody to talk with; music, if it lasts."""
        if self._gap_at is None or now + seconds < self._gap_at:
            self._gap_at = now + seconds
            self._call.wake("gap", self._gap_at)

    def music(self) -> None:
        """It lasts."""
        self._music = True
        self._call.leg.play_music(True)

    def gap_over(self) -> None:
        self._gap_at, self._music = None, False
        self._call.cancel("gap")
        self._call.leg.play_music(False)

    def spoken_again(self) -> None:
        """The agent says something."""
        if self._music:
            self.gap_over()
        elif self._gap_at is not None:
            self._gap_at = None
            self._call.cancel("gap")

    @property
    def active(self) -> bool:
        return bool(self._problem)

    @property
    def possible(self) -> bool:
        return bool(self._call.agent.definition.on_provider_failure.forward) or self._prompt is not None

    def begin(self, problem: str, now: float) -> bool:
        """Whether anything is done; else the call ends as it would have."""
        call = self._call
        if self.active or not self.possible:
            return False
        self._problem = problem
        call.emit(events.AgentLost(problem=problem), now)
        if self._prompt is None:
            self._on(now)
        else:
            call.leg.announce(self._prompt)
        return True

    def heard(self, now: float) -> None:
        """All that was said has left for the caller."""
        if self.active and self._call.talking:
            self._call.wake("prompted", now + LAST_WORD_SECONDS)

    def prompted(self, now: float) -> None:
        """The prompt was heard."""
        self._on(now)

    def _on(self, now: float) -> None:
        call, target = self._call, self._call.agent.definition.on_provider_failure.forward
        if not target:
            self.end(now)
        elif call.state is CallState.ANSWERED:
            nobody = ToolCall("", "on_provider_failure", "")
            call.begin_transfer(
                Transfer(call, nobody, "on_provider_failure", expand(target, call.variables), False, ""), now
            )

    def end(self, now: float) -> None:
        self._call.hang_up(Outcome.PROVIDER_LOST, now, problem=self._problem)
