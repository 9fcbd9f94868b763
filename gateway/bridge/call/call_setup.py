"""How a call begins: a session for the agent, an answer for the caller, an ACK, and then the greeting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.agents import expand
from gateway.call_record import CallState
from gateway.outcomes import Outcome

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call


GREETING_SECONDS = 3.0
"""For which nothing comes of a greeting that was asked for, before the caller hears music."""


class CallSetup:
    """One call's, which began at `now`."""

    def __init__(self, call: Call, now: float) -> None:
        self._call, self._began = call, now
        self._ready = self._confirmed = self._early = self.heard = False

    def agent_ready(self, provider: str, now: float) -> None:
        """The provider has the session: now there is somebody to talk with."""
        call = self._call
        call.stats.provided_by(provider)
        self.stage("session", now)
        self._ready = True
        if call.state is CallState.RINGING:
            self._answer(now)
        elif self._early and call.talking:
            call.fallback.gap_over()
            self._greet_if_both(now)

    def _answer(self, now: float) -> None:
        self._call.leg.answer()
        self._call.talk(now)

    def answer_early(self, now: float) -> None:
        """The caller has waited long enough for an agent; it will greet when it comes."""
        if self._call.state is CallState.RINGING:
            self._early = True
            self._answer(now)
            self._call.fallback.gap(now)

    def agent_missing(self, problem: str, now: float) -> bool:
        """No provider has a session; whether the caller is taken care of all the same."""
        call = self._call
        if call.state is CallState.RINGING and call.fallback.possible:
            self._answer(now)
        if not call.talking:
            return False
        call.fallback.gap_over()
        if not call.fallback.begin(problem, now):
            call.hang_up(Outcome.PROVIDER_UNREACHABLE, now, problem=problem)
        return True

    def confirmed(self, now: float) -> None:
        """The ACK came: what is said now is heard."""
        self._confirmed = True
        self._greet_if_both(now)

    def _greet_if_both(self, now: float) -> None:
        """Once somebody can speak and somebody can hear."""
        call = self._call
        both = self._confirmed and self._ready and call.talking
        if both and not call.fallback.active and not call.recording.answered(now):
            self.greet(now)

    def greet(self, now: float) -> None:
        greeting = self._call.agent.definition.greeting
        if greeting:
            self._call.fallback.gap(now, GREETING_SECONDS)
            self._call.session.create_response(f"Say exactly: {expand(greeting, self._call.variables)}")

    def first_audio(self, now: float) -> None:
        """The agent begins to speak."""
        self.heard = True
        self.stage("first_audio", now)

    def stage(self, name: str, now: float) -> None:
        """Note how long it took, the first time."""
        self._call.stats.stages.setdefault(f"{name}_ms", round((now - self._began) * 1000, 1))
