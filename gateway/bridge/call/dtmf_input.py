"""Keys that the caller presses: those that belong together go to the agent as one piece of text, or answer a tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import events
from gateway.bridge.call.recording import State
from gateway.bridge.tools.built_in import output_of
from gateway.realtime import ToolCall

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call

DIGITS_SECONDS = 2.0
"""Keys that are pressed within this time belong together; `#` ends them at once."""

COLLECT_SECONDS = 8.0
"""For which `collect_digits` waits for the next key."""

HIDDEN = "x"
"""A key that events do not tell."""


@dataclass(frozen=True, slots=True)
class Collecting:
    """What `collect_digits` waits for."""

    asked_by: ToolCall
    name: str
    most: int
    secret: bool
    recorded: bool  # the recording was paused for it


class DtmfInput:
    """One call's."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._digits = ""
        self._collecting: Collecting | None = None

    @property
    def collecting(self) -> bool:
        return self._collecting is not None

    def press(self, digit: str, now: float) -> None:
        collecting = self._collecting
        if not self._digits and (collecting or self._call.agent.definition.keys == "text"):
            self._call.interrupt(now, by_speech=False)
        self._digits += digit
        self._call.emit(events.Dtmf(digit=HIDDEN if collecting and collecting.secret else digit), now)
        if digit == "#" or (collecting and len(self._digits) >= collecting.most):
            self.hand_over(now)
        else:
            self._call.wake("digits", now + (COLLECT_SECONDS if collecting else DIGITS_SECONDS))

    def collect(self, asked_by: ToolCall, name: str, most: int, secret: bool, now: float) -> bool:
        """Answer `asked_by` with what is pressed next; False where another such call waits already."""
        if self._collecting:
            return False
        recorded = secret and self._call.recording.state is State.ON
        if recorded:
            self._call.recording.ask("pause", now)
        self._collecting = Collecting(asked_by, name, most, secret, recorded)
        self._call.wake("digits", now + COLLECT_SECONDS)
        return True

    def hand_over(self, now: float) -> None:
        digits, self._digits = self._digits, ""
        collecting, self._collecting = self._collecting, None
        self._call.cancel("digits")
        if collecting:
            self._answer(collecting, digits.rstrip("#"), now)
        elif digits and self._call.talking and self._call.agent.definition.keys == "text":
            self._call.session.add_text(f"[DTMF] {digits}")
            self._call.session.create_response()

    def _answer(self, collecting: Collecting, digits: str, now: float) -> None:
        self._call.info.collected[collecting.name] = digits
        if collecting.recorded:
            self._call.recording.ask("resume", now)
        told = {"digits": digits}
        if collecting.secret:
            told = {"last_four": digits[-4:] if len(digits) > 8 else ""}
        self._call.tools.answer(
            collecting.asked_by, output_of({"name": collecting.name, "count": len(digits), **told}), now
        )
