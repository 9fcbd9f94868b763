"""Keys that the caller presses: those that belong together go to the agent as one piece of text, or answer a tool."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gateway import events
from gateway.bridge.call.part import CallPort, Part
from gateway.bridge.call.recording import Recording, State
from gateway.bridge.tools.built_in import output_of
from gateway.realtime import ToolCall

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


class DtmfInput(Part):
    """One call's."""

    name = "dtmf_input"

    def __init__(self, call: CallPort, recording: Recording) -> None:
        super().__init__(call)
        self._recording = recording
        self._digits = ""
        self._collecting: Collecting | None = None

    def snapshot(self) -> dict[str, Any]:
        return {"digits": self._digits, "collecting": self._collecting and asdict(self._collecting)}

    @property
    def collecting(self) -> bool:
        return self._collecting is not None

    def press(self, digit: str, now: float) -> None:
        collecting = self._collecting
        if not self._digits and (collecting or self.call.agent.definition.keys == "text"):
            self.call.interrupt(now, by_speech=False)
        self._digits += digit
        self.call.emit(events.Dtmf(digit=HIDDEN if collecting and collecting.secret else digit), now)
        if digit == "#" or (collecting and len(self._digits) >= collecting.most):
            self.hand_over(now)
        else:
            self.wake("digits", now + (COLLECT_SECONDS if collecting else DIGITS_SECONDS))

    def collect(self, asked_by: ToolCall, name: str, most: int, secret: bool, now: float) -> bool:
        """Answer `asked_by` with what is pressed next; False where another such call waits already."""
        if self._collecting:
            return False
        recorded = secret and self._recording.state is State.ON
        if recorded:
            self._recording.ask("pause", now)
        self._collecting = Collecting(asked_by, name, most, secret, recorded)
        self.wake("digits", now + COLLECT_SECONDS)
        return True

    def agent_leaves(self, now: float) -> None:
        """What was pressed for it is for nobody else."""
        collecting, self._collecting = self._collecting, None
        self._digits = ""
        self.cancel("digits")
        if collecting and collecting.recorded:
            self._recording.ask("resume", now)

    def expire(self, timer: str, now: float) -> None:
        self.hand_over(now)

    def hand_over(self, now: float) -> None:
        digits, self._digits = self._digits, ""
        collecting, self._collecting = self._collecting, None
        self.cancel("digits")
        if collecting:
            self._answer(collecting, digits.rstrip("#"), now)
        elif digits and self.call.talking and self.call.agent.definition.keys == "text":
            self.call.session.add_text(f"[DTMF] {digits}")
            self.call.session.create_response()

    def _answer(self, collecting: Collecting, digits: str, now: float) -> None:
        self.call.info.collected[collecting.name] = digits
        if collecting.recorded:
            self._recording.ask("resume", now)
        told = {"digits": digits}
        if collecting.secret:
            told = {"last_four": digits[-4:] if len(digits) > 8 else ""}
        self.call.answer_tool(
            collecting.asked_by, output_of({"name": collecting.name, "count": len(digits), **told}), now
        )
