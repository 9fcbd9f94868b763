"""What a Call asks of the two parties that it joins. Every verb is a plain call that never waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.outcomes import Outcome
from gateway.realtime import Heard


@dataclass(frozen=True, slots=True)
class LegEvents:
    """Who wants to know."""

    digit: Callable[[str], None]
    drained: Callable[[], None]  # all that was to be played has left
    held: Callable[[bool], None]  # by the party itself, or taken back
    broken: Callable[[Outcome, str], None]  # the media has ended: MEDIA_TIMEOUT or MEDIA_FAILED, and what happened
    spoke: Callable[[], None]  # a voice, while it is listened for


class Leg(Protocol):
    """A party on the telephone. `transfers` is how calls of its trunk are handed on: refer, bridge or auto.

    `answers` is when a call that came in is answered: ready, at_once or early; it rings for `rings_seconds` at least.
    """

    @property
    def transfers(self) -> str: ...
    @property
    def answers(self) -> str: ...
    @property
    def rings_seconds(self) -> float: ...

    @property
    def early(self) -> bool:
        """It hears us though the call is not answered."""

    @property
    def silent(self) -> bool:
        """Nothing is left to be played to this party."""

    def ring(self) -> None: ...
    def speak_early(self) -> bool:
        """Let it hear us before the answer (183 with SDP, RFC 3960); whether that could be done."""

    def answer(self) -> None: ...
    def reject(self, status: int, headers: dict[str, str]) -> None: ...
    def hang_up(self, reason: str) -> None: ...

    def transfer(self, target: str, replaces: Leg | None = None, known: Mapping[str, str] | None = None) -> bool:
        """Ask the party to call `target` instead, and there to take the place of our own call to it.

        `known` are call_id, caller, called and summary, which its trunk may want told to the target. False when it
        cannot be asked now. Raises SipParseError.
        """

    def tell_referrer(self, status: int) -> None:
        """How the call goes that the party's REFER asked us to make."""

    def hold(self, on: bool) -> None:
        """Put the party on hold: it hears music and is not listened to."""

    def play_music(self, on: bool) -> None:
        """Play music where there is nothing else to hear; the party is not told that it is on hold."""

    def join(self, other: Leg) -> None:
        """Connect the audio of two parties; the agent hears neither."""

    def send_digits(self, digits: str) -> None:
        """Press keys: 0-9 * # A-D."""

    def play(self, item_id: str, content_index: int, audio: bytes) -> None:
        """Queue speech of the agent, PCM16 at 24 kHz."""

    def announce(self, audio: bytes) -> None:
        """Queue words of our own, PCM16 at 24 kHz, whatever the agent speaks."""

    def flush(self) -> list[Heard]:
        """Stop playing, before the next frame. Returns what was heard of each item that was playing or queued."""

    def pause(self, on: bool) -> None:
        """Stop playing before the next frame, or go on where it stopped."""

    def echoes(self) -> bool:
        """What is heard of the party now is what was said to it: the line sends it back."""

    def listen_for_speech(self, after_ms: int | None) -> None:
        """Tell whenever a voice has stood out of the noise for so long, though no agent listens; None: do not."""

    def mute_input(self, input_muted: bool) -> None:
        """While deaf, the agent hears silence instead of this party."""

    def stats(self) -> dict[str, Any]:
        """How the line was, for the record."""

    def close(self) -> None: ...


class AgentSession(Protocol):
    """The agent's end: `gateway.realtime.Client`."""

    taps: list[Callable[[dict[str, Any]], None]]
    """Who sees what the provider says, but for audio."""

    @property
    def begun(self) -> bool:
        """There has been a session."""

    @property
    def busy(self) -> bool:
        """A response is in progress, or asked for."""

    def described(self) -> dict[str, Any]:
        """The session as OpenAI's protocol describes it to a client."""

    @property
    def prices(self) -> Mapping[str, float]:
        """Of the provider, for a million tokens: text_input, audio_input, cached_input, text_output, audio_output."""

    def heard_of(self, item_id: str) -> str:
        """The words of one of the agent's items, as far as they were heard."""

    @property
    def unfinished(self) -> bool:
        """Of what is being said more audio is still to come."""

    def create_response(self, instructions: str = "") -> None: ...
    def say(self, text: str) -> None:
        """Have the agent say just this, in its own voice."""

    def add_text(self, text: str, role: str = "user") -> None: ...
    def steer(self, event: dict[str, Any]) -> None: ...
    def interrupt(self, heard: list[Heard], by_speech: bool = True) -> list[Heard]: ...
    def tool_output(self, call_id: str, output: str, respond: bool = True) -> None: ...
    def close(self) -> None: ...


class NoSession:
    """The `AgentSession` of a call that has no agent yet: it does nothing."""

    begun = busy = unfinished = False
    prices: Mapping[str, float] = {}

    def __init__(self) -> None:
        self.taps: list[Callable[[dict[str, Any]], None]] = []

    def described(self) -> dict[str, Any]:
        return {}

    def heard_of(self, item_id: str) -> str:
        return ""

    def create_response(self, instructions: str = "") -> None: ...
    def say(self, text: str) -> None: ...
    def add_text(self, text: str, role: str = "user") -> None: ...
    def steer(self, event: dict[str, Any]) -> None: ...
    def interrupt(self, heard: list[Heard], by_speech: bool = True) -> list[Heard]:
        return heard

    def tool_output(self, call_id: str, output: str, respond: bool = True) -> None: ...
    def close(self) -> None: ...
