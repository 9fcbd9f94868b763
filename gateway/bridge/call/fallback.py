"""A call whose provider fails: the gap until another session is there, and what becomes of the caller when none is."""

from __future__ import annotations

from typing import Any

from gateway import events
from gateway.agents import expand
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.part import LAST_WORD_SECONDS, CallPort, Part, TransferRequest
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from gateway.realtime import Broken, Lost, Renewed, ResponseDone, Restored, Unreached

GAP_SECONDS = 1.5
"""Without a session, after which the caller hears music instead of nothing."""


class Fallback(Part):
    """One call's. With no session left: `prompt`, where there is one, then somebody else's telephone or the end.

    Timers: gap (nobody to talk with for so long that music is due), prompted (the prompt was heard).
    """

    name = "fallback"

    def __init__(self, call: CallPort, announcer: Announcer) -> None:
        super().__init__(call)
        self._announcer = announcer
        self.prompt: bytes | None = None  # PCM16 at 24 kHz
        self._problem = ""
        self._gap_at: float | None = None  # when music begins, where nobody has spoken by then
        self._music = False

    def snapshot(self) -> dict[str, Any]:
        return {"problem": self._problem, "gap_at": self._gap_at, "music": self._music}

    def receive(self, event: Unreached | Broken | Restored | Renewed | Lost, now: float) -> None:
        """What happens to the agent's session."""
        call = self.call
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
                done = call.talking and self.begin(event.problem, now)
                if not done and not (call.talking and call.overflow(event.problem, Outcome.PROVIDER_LOST, now)):
                    call.hang_up(Outcome.PROVIDER_LOST, now, problem=event.problem)

    def agent_leaves(self, now: float) -> None:
        self._problem, self.prompt = "", None
        self.cancel("prompted")
        self.gap_over()

    def gap(self, now: float, seconds: float = GAP_SECONDS) -> None:
        """No agent can answer now: play music after `seconds`, unless audio comes before."""
        if self._gap_at is None or now + seconds < self._gap_at:
            self._gap_at = now + seconds
            self.wake("gap", self._gap_at)

    def expire(self, timer: str, now: float) -> None:
        if timer == "gap":
            self._play_music()
        else:
            self._go_on(now)

    def _play_music(self) -> None:
        self._music = True
        self.call.leg.play_music(True)

    def gap_over(self) -> None:
        self._gap_at, self._music = None, False
        self.cancel("gap")
        self.call.leg.play_music(False)

    def agent_speaks(self, now: float) -> None:
        if self._music:
            self.gap_over()
        elif self._gap_at is not None:
            self._gap_at = None
            self.cancel("gap")

    def response_done(self, event: ResponseDone, now: float) -> None:
        if event.failed and not event.spoke:
            self.gap(now)

    @property
    def active(self) -> bool:
        return bool(self._problem)

    @property
    def possible(self) -> bool:
        """Something is done for a caller who has no agent."""
        settings = self.call.agent.definition.on_provider_failure
        return bool(settings.forward or settings.says) or self.prompt is not None

    def begin(self, problem: str, now: float) -> bool:
        """Whether anything is done; else the call ends as it would have."""
        call = self.call
        if self.active or not self.possible:
            return False
        self._problem = problem
        call.emit(events.AgentLost(problem=problem), now)
        says = call.agent.definition.on_provider_failure.says
        if self.prompt is not None:
            call.leg.announce(self.prompt)
        elif says:
            self._announcer.say(says, now, lambda later, heard: self._go_on(later))
        else:
            self._go_on(now)
        return True

    def playout_drained(self, now: float) -> None:
        if self.active and self.call.talking and self.prompt is not None:
            self.wake("prompted", now + LAST_WORD_SECONDS)

    def _go_on(self, now: float) -> None:
        call, target = self.call, self.call.agent.definition.on_provider_failure.forward
        if not target:
            self.end(now)
        elif call.state is CallState.ANSWERED:
            request = TransferRequest("on_provider_failure", expand(target, call.variables))
            call.begin_transfer(request, now)

    def end(self, now: float) -> None:
        self.call.hang_up(Outcome.PROVIDER_LOST, now, problem=self._problem)
