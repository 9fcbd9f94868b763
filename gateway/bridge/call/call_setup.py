"""How a call begins: a session for the agent, an answer for the caller, an ACK, and then the greeting."""

from __future__ import annotations

from typing import Any

from gateway.agents import Spoken, expand
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.fallback import Fallback
from gateway.bridge.call.part import CallPort, Part
from gateway.bridge.call.recording import Recording
from gateway.call_record import CallState
from gateway.outcomes import Outcome

GREETING_SECONDS = 3.0
"""For which nothing comes of a greeting that was asked for, before the caller hears music."""


class CallSetup(Part):
    """One call's, which began at `now`. Timers: rung (it has rung for as long as its trunk wants)."""

    name = "setup"

    def __init__(
        self, call: CallPort, recording: Recording, fallback: Fallback, announcer: Announcer, now: float
    ) -> None:
        super().__init__(call)
        self._recording, self._fallback, self._announcer, self._began = recording, fallback, announcer, now
        self._ready = self._confirmed = self._early = self._spoke = False
        self._opened = False  # the first words are under way
        self._greeting_due = False  # the agent's own, when there is one
        self._missing = ""  # why there will be none
        self.looking = False  # the caller is being looked up, and not answered before that
        self._answer_due = False
        self._greets = True
        self._rings_until = now

    def snapshot(self) -> dict[str, Any]:
        known = {"ready": self._ready, "confirmed": self._confirmed, "early": self._early, "spoke": self._spoke}
        more = {"opened": self._opened, "greeting_due": self._greeting_due, "missing": self._missing}
        more |= {"looking": self.looking, "answer_due": self._answer_due, "greets": self._greets}
        return known | more | {"began": self._began, "rings_until": self._rings_until}

    def prepare(self) -> None:
        """What will be said first is made sound while it rings."""
        definition = self.call.agent.definition
        for spoken in (definition.recording.announcement, definition.greeting, definition.on_provider_failure.says):
            self._announcer.prepare(spoken)

    def connect(self, now: float, greets: bool = True) -> None:
        """An agent is being found for a call that was somewhere else before; it greets when it comes, or not."""
        self._greets = greets
        self._ready = self._opened = self._greeting_due = False
        self._missing = ""
        self._early = self.call.talking
        if self.call.audible:
            self._fallback.gap(now)
        self._open(now)

    def rings(self, now: float) -> None:
        """The caller was told that it rings."""
        leg = self.call.leg
        self._rings_until = now + leg.rings_seconds
        if leg.rings_seconds:
            self.wake("rung", self._rings_until)
        elif leg.answers == "at_once":
            self.answer_early(now)

    def expire(self, timer: str, now: float) -> None:
        if self.call.state is not CallState.RINGING:
            return
        if self._ready:
            self._answer(now)
        elif self._early or self.call.leg.answers == "at_once":
            self.answer_early(now)

    def agent_ready(self, provider: str, now: float) -> None:
        """The provider has a session: answer the call, or greet where it is answered already."""
        call = self.call
        call.stats.provided_by(provider)
        self._stage("session", now)
        self._ready = True
        self._announcer.agent_ready()
        if call.state is CallState.RINGING:
            if now >= self._rings_until:
                self._answer(now)
        elif self._early and call.talking:
            self._fallback.gap_over()
            if self._greeting_due:
                self._greeting_due = False
                self.greet(now)
            self._open(now)

    def looked_up(self, now: float) -> None:
        """It is known who has the call, and what they say."""
        self.looking = False
        self.prepare()
        if self._answer_due and self.call.state is CallState.RINGING:
            self._answer(now)

    def _answer(self, now: float) -> None:
        if self.looking:
            self._answer_due = True
            return
        self.call.leg.answer()
        self.call.connected(now)

    def answer_early(self, now: float) -> None:
        """The caller has waited long enough for an agent; it will greet when it comes."""
        if self.call.state is CallState.RINGING:
            self._early = True
            if now < self._rings_until:
                return
            self._answer(now)
            self._fallback.gap(now)

    def agent_missing(self, problem: str, now: float) -> bool:
        """No provider has a session; whether the caller is taken care of all the same."""
        call = self.call
        if not self._fallback.possible and call.overflow(problem, Outcome.PROVIDER_UNREACHABLE, now):
            return True
        if call.state is CallState.RINGING and self._fallback.possible:
            self._answer(now)
        if not call.talking:
            return False
        waits = self._announcer.active or self._recording.announcing
        if waits or (self._ours and not self._opened):  # what has to be said, or answered, is so first
            self._missing = problem
            self._end_after_words()
            return True
        self._fallback.gap_over()
        if not self._fallback.begin(problem, now):
            call.hang_up(Outcome.PROVIDER_UNREACHABLE, now, problem=problem)
        return True

    def _end_after_words(self) -> None:
        """There will be no agent: when our own words have been heard, what is left is done."""

        def then(now: float, heard: bool) -> None:
            if self.call.talking:
                self.agent_missing(self._missing, now)

        if self._announcer.active:
            self._announcer.after(then)

    @property
    def _ours(self) -> bool:
        """The first words are sound of ours, and need no agent."""
        definition = self.call.agent.definition
        announced = definition.recording.start == "answer" and definition.recording.announcement
        return bool(announced) or definition.greeting.exact

    def confirmed(self, now: float) -> None:
        """The ACK came, or ours has left: what is said now is heard."""
        self._confirmed = True
        self._open(now)
        self._announcer.go_on(now)

    def _open(self, now: float) -> None:
        """The first words need an acknowledged call, and where they are the agent's own, an agent that is ready."""
        if self._opened or not (self._confirmed and self.call.talking and (self._ready or self._ours)):
            return
        if self._fallback.active:
            return
        self._opened = True
        if not self._recording.begin(now):
            self.greet(now)
        if self._missing:
            self._end_after_words()

    def greet(self, now: float) -> None:
        greeting = self.call.agent.definition.greeting if self._greets else Spoken()
        if greeting.exact:
            self._announcer.say(greeting, now)
        if self._missing:
            if self._announcer.active:
                self._end_after_words()
            else:
                self.agent_missing(self._missing, now)
        elif greeting.exact:
            return
        elif greeting and not self._ready:
            self._greeting_due = True
        elif greeting:
            self._fallback.gap(now, GREETING_SECONDS)
            self.call.session.say(expand(greeting.say, self.call.variables))

    def answered(self, now: float) -> None:
        self._stage("answered", now)

    def agent_speaks(self, now: float) -> None:
        if not self._spoke:
            self._spoke = True
            self._stage("first_audio", now)

    def _stage(self, name: str, now: float) -> None:
        """Note how long it took, the first time."""
        self.call.stats.stages.setdefault(f"{name}_ms", round((now - self._began) * 1000, 1))
