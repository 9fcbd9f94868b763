"""Commands for a call that come by the API: of an operator, a program, another node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway import destinations, events
from gateway.agents import Spoken, expand
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.attendant import Attendant
from gateway.bridge.call.mute_state import MuteState
from gateway.bridge.call.part import CallPort, TransferRequest
from gateway.bridge.call.recording import Recording
from gateway.bridge.call.tool_use import ToolUse
from gateway.bridge.tools.built_in import KEYS
from gateway.call_record import CallState
from gateway.errors import BadCommand, WrongState
from gateway.outcomes import Outcome


class CallCommands:
    """Commands of one call. Raises WrongState where the state of the call forbids it, BadCommand for bad arguments."""

    def __init__(
        self,
        call: CallPort,
        mute: MuteState,
        recording: Recording,
        tools: ToolUse,
        announcer: Announcer,
        attendant: Attendant,
    ) -> None:
        self._call, self._mute_state, self._recording, self._tools = call, mute, recording, tools
        self._announcer, self._attendant = announcer, attendant
        self._verbs: Mapping[str, Callable[[Mapping[str, Any], float], None]] = {
            "hangup": self._hang_up,
            "transfer": self._transfer,
            "hold": lambda given, now: call.put_on_hold(bool(given.get("on", True)), now),
            "mute": self._mute,
            "say": self._say,
            "inject": self._inject,
            "dtmf": self._dtmf,
            "recording": self._record,
            "steer": self._steer,
        }

    def do(self, verb: str, given: Mapping[str, Any], now: float) -> None:
        act = self._verbs.get(verb)
        if act is None:
            raise BadCommand("verb", f"{verb!r} is none; these are: {', '.join(self._verbs)}")
        if verb != "hangup":
            self._need(verb != "dtmf", f"it cannot be told to {verb}")
        act(given, now)

    def _need(self, agent: bool, problem: str) -> None:
        """The caller is on the line, and talks with the agent where that is what matters."""
        states = (CallState.ANSWERED,) if agent else (CallState.ANSWERED, CallState.BRIDGED)
        if self._call.state not in states:
            raise self._wrong(problem)

    def _need_an_agent(self) -> None:
        if self._attendant.active:
            raise self._wrong("no agent has it")

    def _wrong(self, problem: str) -> WrongState:
        return WrongState(self._call.info.call_id, str(self._call.state), problem)

    def _hang_up(self, given: Mapping[str, Any], now: float) -> None:
        self._call.hang_up(Outcome.HUNG_UP_BY_REQUEST, now)

    def _transfer(self, given: Mapping[str, Any], now: float) -> None:
        """To one of the agent's targets by its name, or to any number or URI; at once, whatever is being said."""
        call = self._call
        if self._tools.announcing or call.leaving:
            raise self._wrong("it is being ended or transferred already")
        to, definition = str(given.get("to") or ""), call.agent.definition
        target = expand(definition.transfer_targets.get(to, to), call.variables)
        try:
            target = str(destinations.read(target))
        except ValueError as error:
            known = ", ".join(definition.transfer_targets) or "none"
            raise BadCommand("to", f"{error}; or a target of the agent's ({known})") from error
        attended = given.get("attended")
        if self._attendant.active:
            self._announcer.hush(now, all_of_it=True)
        call.interrupt(now, by_speech=False)
        wanted = definition.transfer == "attended" if attended is None else bool(attended)
        call.begin_transfer(TransferRequest(to, target, wanted, str(given.get("summary") or "")), now)

    def _mute(self, given: Mapping[str, Any], now: float) -> None:
        """The agent hears silence instead of the caller, or the caller silence instead of the agent."""
        who, on = given.get("who", "caller"), bool(given.get("on", True))
        match who:
            case "caller":
                self._mute_state.caller = on
                self._mute_state.render()
            case "agent":
                self._mute_state.agent = on
                if on:
                    self._call.interrupt(now, by_speech=False)
            case _:
                raise BadCommand("who", "has to be caller or agent")
        self._call.emit(events.MuteChanged(who=who, on=on), now)

    def _say(self, given: Mapping[str, Any], now: float) -> None:
        text, prompt = str(given.get("text") or "").strip(), str(given.get("prompt") or "").strip()
        if bool(text) == bool(prompt):
            raise BadCommand("text", "is empty" if not prompt else "and prompt cannot both be said")
        if not prompt and not given.get("verbatim"):
            self._need_an_agent()
        if given.get("interrupt"):
            self._call.interrupt(now, by_speech=False)
        self._call.emit(events.Say(text=text or f"[prompt {prompt}]"), now)
        if prompt or given.get("verbatim"):
            self._announcer.say(Spoken(say=text.replace("{{", "{ {"), prompt=prompt, verbatim=True), now)
        else:
            self._call.session.say(text)

    def _inject(self, given: Mapping[str, Any], now: float) -> None:
        """An item of the conversation that neither the caller nor the model has said."""
        text, role = str(given.get("text") or "").strip(), given.get("role", "system")
        self._need_an_agent()
        if not text:
            raise BadCommand("text", "is empty")
        if role not in ("system", "user", "assistant"):
            raise BadCommand("role", "has to be system, user or assistant")
        self._call.emit(events.Injected(role=role, text=text), now)
        self._call.session.add_text(text, role)
        if given.get("respond"):
            self._call.session.create_response()

    def _steer(self, given: Mapping[str, Any], now: float) -> None:
        """A Realtime client event from a program that watches the session (OpenAI's SIP connector)."""
        self._need_an_agent()
        event = given.get("event")
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str) or not isinstance(event, dict):
            raise BadCommand("type", "has to be that of a client event")
        if kind.startswith("input_audio_buffer."):
            raise BadCommand("type", f"{kind}: the audio of the session is the caller's")
        if kind in ("response.cancel", "output_audio_buffer.clear"):
            self._call.interrupt(now, by_speech=False)
        else:
            self._call.session.steer(event)

    def _dtmf(self, given: Mapping[str, Any], now: float) -> None:
        digits = given.get("digits")
        if not isinstance(digits, str) or not KEYS.fullmatch(digits):
            raise BadCommand("digits", "has to be a text of 1 to 40 keys: 0-9 * # A-D")
        self._call.leg.send_digits(digits)
        self._call.emit(events.DtmfSent(digits=digits), now)

    def _record(self, given: Mapping[str, Any], now: float) -> None:
        if problem := self._recording.ask(str(given.get("action")), now):
            raise self._wrong(problem)
