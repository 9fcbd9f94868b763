"""A leg and a session that note what they are asked, for calls on a fake clock. mypy holds them to their protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.bridge.call.leg import AgentSession, Leg
from gateway.errors import SipParseError
from gateway.realtime import Heard

Log = list[tuple[Any, ...]]


class FakeLeg:
    """`log` has every verb with its arguments. What is played stays queued until a test says that it has left."""

    transfers, answers, rings_seconds, early = "refer", "ready", 0.0, False

    def __init__(self, log: Log) -> None:
        self.log, self.queued = log, 0
        self.accepts, self.bad_target, self.echoing = True, False, False
        self.replaces: Leg | None = None
        self.on_hang_up: Callable[[], None] = lambda: None  # what a session tells within the verb that ends it

    @property
    def silent(self) -> bool:
        return not self.queued

    def ring(self) -> None:
        self.log.append(("ring",))

    def speak_early(self) -> bool:
        self.early = self.answers == "early"
        return self.early

    def answer(self) -> None:
        self.log.append(("answer",))

    def reject(self, status: int, headers: dict[str, str]) -> None:
        self.log.append(("reject", status, headers))

    def hang_up(self, reason: str) -> None:
        self.log.append(("hang_up", reason))
        self.on_hang_up()

    def transfer(self, target: str, replaces: Leg | None = None, known: Mapping[str, str] | None = None) -> bool:
        if self.bad_target:
            raise SipParseError("not a URI")
        self.replaces = replaces
        self.log.append(("transfer", target))
        return self.accepts

    def tell_referrer(self, status: int) -> None:
        self.log.append(("tell_referrer", status))

    def hold(self, on: bool) -> None:
        self.log.append(("hold", on))

    def play_music(self, on: bool) -> None:
        self.log.append(("play_music", on))

    def join(self, other: Leg) -> None:
        self.log.append(("join", other))

    def send_digits(self, digits: str) -> None:
        self.log.append(("send_digits", digits))

    def play(self, item_id: str, content_index: int, audio: bytes) -> None:
        self.queued += len(audio)

    def announce(self, audio: bytes) -> None:
        self.log.append(("announce", audio))
        self.queued += len(audio)

    def flush(self) -> list[Heard]:
        self.log.append(("flush",))
        heard, self.queued = ([Heard("item_1", 0, 120)] if self.queued else []), 0
        return heard

    def pause(self, on: bool) -> None:
        self.log.append(("pause", on))

    def echoes(self) -> bool:
        return self.echoing

    def listen_for_speech(self, after_ms: int | None) -> None:
        self.log.append(("listen_for_speech", after_ms))

    def mute_input(self, input_muted: bool) -> None:
        self.log.append(("mute_input", input_muted))

    def stats(self) -> dict[str, Any]:
        return {"codec": "PCMU"}

    def close(self) -> None:
        self.log.append(("close",))


class FakeSession:
    """`log` has every verb with its arguments."""

    begun = True
    prices: Mapping[str, float] = {}

    def __init__(self, log: Log) -> None:
        self.log = log
        self.busy = self.unfinished = False
        self.taps: list[Callable[[dict[str, Any]], None]] = []

    def described(self) -> dict[str, Any]:
        return {}

    def heard_of(self, item_id: str) -> str:
        return f"what was heard of {item_id}"

    def create_response(self, instructions: str = "") -> None:
        self.log.append(("create_response", instructions))

    def say(self, text: str) -> None:
        self.log.append(("say", text))

    def add_text(self, text: str, role: str = "user") -> None:
        self.log.append(("add_text", text) if role == "user" else ("add_text", text, role))

    def steer(self, event: dict[str, Any]) -> None:
        self.log.append(("steer", event["type"]))

    def interrupt(self, heard: list[Heard], by_speech: bool = True) -> list[Heard]:
        self.log.append(("interrupt", by_speech))
        return heard

    def tool_output(self, call_id: str, output: str, respond: bool = True) -> None:
        self.log.append(("tool_output", call_id, output, respond))

    def close(self) -> None:
        self.log.append(("close session",))


_LEG: Leg = FakeLeg([])
_SESSION: AgentSession = FakeSession([])
