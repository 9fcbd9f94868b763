"""Keys that the caller presses: those that belong together go to the agent as one piece of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.bridge.call import Call

DIGITS_SECONDS = 2.0
"""Keys that are pressed within this time belong together; `#` ends them at once."""


class Keys:
    """One call's."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._digits = ""

    def press(self, digit: str, now: float) -> None:
        if not self._digits:
            self._call.interrupt(now, by_speech=False)
        self._digits += digit
        self._call.emit("dtmf", now, digit=digit)
        if digit == "#":
            self.hand_over()
        else:
            self._call.wake("digits", now + DIGITS_SECONDS)

    def hand_over(self) -> None:
        digits, self._digits = self._digits, ""
        self._call.cancel("digits")
        if digits and self._call.talking:
            self._call.session.add_text(f"[DTMF] {digits}")
            self._call.session.create_response()
