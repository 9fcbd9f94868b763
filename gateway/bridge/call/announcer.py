"""Words that are said exactly: sound of ours, one after the other, and the agent is told what the caller heard.

asked for --made--> waits until nobody speaks --> PLAYING --played out--> told
                                                     \\--interrupted--> told
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway import events
from gateway.agents import Spoken, expand
from gateway.bridge.call.actions import MakeSound
from gateway.bridge.call.part import CallPort, Part
from gateway.realtime import ResponseDone

Then = Callable[[float, bool], None]
"""What follows, with whether the caller heard it, to its end or until they interrupted: there may be no sound of it."""


@dataclass(slots=True)
class _Said:
    """`pcm` is None until it is made, and empty where it cannot be."""

    number: int
    spoken: Spoken
    text: str
    then: Then | None
    pcm: bytes | None = None
    source: str = ""


class Announcer(Part):
    """One call's."""

    name = "announcer"

    def __init__(self, call: CallPort) -> None:
        super().__init__(call)
        self._number = 0
        self._queue: list[_Said] = []
        self._playing: _Said | None = None
        self.latest = ""  # words that were begun
        self._untold: list[tuple[str, str]] = []  # what came to pass before there was an agent to be told, and its role

    def snapshot(self) -> dict[str, Any]:
        waiting = [one.text for one in self._queue]
        untold = [list(one) for one in self._untold]
        return {"playing": self._playing and self._playing.text, "waiting": waiting, "untold": untold}

    @property
    def active(self) -> bool:
        return bool(self._playing or self._queue)

    @property
    def must_be_heard(self) -> bool:
        """What is playing, or about to, cannot be interrupted."""
        now = self._playing or (self._queue[0] if self._queue else None)
        return now is not None and not now.spoken.interruptible

    def prepare(self, spoken: Spoken) -> None:
        """It will be said soon."""
        if spoken.exact:
            self.call.act(
                MakeSound(
                    0, self._text(spoken), spoken.prompt, spoken.speech, self.call.agent.definition.voice_of(spoken)
                )
            )

    def say(self, spoken: Spoken, now: float, then: Then | None = None) -> None:
        self._number += 1
        said = _Said(self._number, spoken, self._text(spoken), then)
        self._queue.append(said)
        self.call.act(
            MakeSound(said.number, said.text, spoken.prompt, spoken.speech, self.call.agent.definition.voice_of(spoken))
        )

    def play(self, pcm: bytes, now: float, then: Then) -> None:
        """Sound that is no words, PCM16 at 24 kHz, in its turn."""
        self._number += 1
        self._queue.append(_Said(self._number, Spoken(interruptible=False), "", then, pcm))
        self._go_on(now)

    def _text(self, spoken: Spoken) -> str:
        return expand(spoken.say, self.call.variables)

    def after(self, then: Then) -> None:
        """Call it when all that waits has been heard."""
        last = self._queue[-1] if self._queue else self._playing
        if last:
            last.then = _both(last.then, then)

    def made(self, number: int, pcm: bytes, text: str, source: str, problem: str, now: float) -> None:
        """The sound of what was asked for, or in its place that of another voice, or none."""
        if problem:
            self.call.emit(events.PromptFailed(problem=problem), now)
        for one in self._queue:
            if one.number == number:
                one.pcm, one.source = pcm, source
                one.text = text or one.text or f"[prompt {one.spoken.prompt}]"
        self._go_on(now)

    def playout_drained(self, now: float) -> None:
        if played := self._playing:
            self._playing = None
            if played.text:
                self._heard(played.text, now)
            if played.then:
                played.then(now, True)
        self._go_on(now)

    def response_done(self, event: ResponseDone, now: float) -> None:
        self._go_on(now)

    def go_on(self, now: float) -> None:
        """The caller is there."""
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        call = self.call
        while self._queue and self._playing is None and call.audible:
            if self._queue[0].pcm is None or call.session.busy or not call.leg.silent:
                return
            said = self._queue.pop(0)
            if said.pcm:
                self._playing, self.latest = said, said.text
                call.leg.announce(said.pcm)
                if said.text:
                    call.emit(events.PromptPlayed(said.text, said.source, said.spoken.prompt or None), now)
            elif said.then:
                said.then(now, False)

    def interrupted(self, now: float) -> None:
        if (said := self._playing) and said.spoken.interruptible:
            self._playing = None
            self._heard(said.text, now, " [interrupted by the caller]")
            if said.then:
                said.then(now, True)

    def hush(self, now: float, all_of_it: bool = False) -> None:
        """Stop, and forget what waits, as far as it may be interrupted; nothing of it has a `then` any more."""
        if (said := self._playing) and (said.spoken.interruptible or all_of_it):
            self._playing = None
            self.call.leg.flush()
            if said.text:
                self._heard(said.text, now, " [interrupted by the caller]")
        self._queue = [one for one in self._queue if not (one.spoken.interruptible or all_of_it)]

    def _heard(self, text: str, now: float, how: str = "") -> None:
        self.call.said(text, now)
        self.tell(text + how, "assistant")

    def tell(self, text: str, role: str) -> None:
        """The agent, now or when there is one."""
        if self.call.session.begun:
            self.call.session.add_text(text, role)
        else:
            self._untold.append((text, role))

    def agent_ready(self) -> None:
        """There is somebody to be told what the caller has heard."""
        untold, self._untold = self._untold, []
        for text, role in untold:
            self.call.session.add_text(text, role)


def _both(first: Then | None, second: Then) -> Then:
    def both(now: float, heard: bool) -> None:
        if first:
            first(now, heard)
        second(now, heard)

    return both
