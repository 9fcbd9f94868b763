"""A Realtime session as the client sees it: items, responses, interruption, function calls (OpenAI Realtime, GA).

Sans-I/O: `receive` takes a decoded server event and returns what it means; the verbs put client events on `outbox`.
At most one response is active; a `response.create` that comes while one is waits for its end.
"""

from __future__ import annotations

import itertools
from binascii import Error as Base64Error
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
from pybase64 import b64decode, b64encode

from gateway.realtime.conversation import (
    AudioDelta,
    Event,
    ProviderFault,
    Ready,
    ResponseDone,
    Severity,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    Transcript,
    severity_of,
)
from gateway.realtime.history import History, message
from gateway.realtime.openai.dialects import FORMATS, Dialect, SessionConfig
from gateway.realtime.openai.updates import Updates, differences

MAX_REMEMBERED = 64
"""Events, items and calls of the latest past that a server may still refer to."""


HZ = {"audio/pcm": 24000, "audio/pcmu": 8000, "audio/pcma": 8000}
"""Samples a second of each format, as it is asked for."""

RATES = (8000, 16000, 24000, 48000)
"""Of PCM, that a server may have instead of the one that it was asked for."""

_OLD_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
"""As sessions of the beta named them."""

NAMELESS = "response"
"""In place of the id of a response in progress that has none, or that is not known yet."""

_CREATE = "conversation.item.create"


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of one item's audio left on the wire, in ms."""

    item_id: str
    content_index: int
    ms: int


class Session:
    """One session of a conversation, of which `history` knows the whole; a session that begins in the middle of it is
    told. Every event type that it does not know is counted and ignored.
    """

    def __init__(self, dialect: Dialect, config: SessionConfig, history: History | None = None) -> None:
        self._dialect = dialect
        self.updates = Updates(config, dialect.takes & dialect.changes)
        self._history = history if history is not None else History()
        self._session_history = self._history.begin()
        self.input_hz = self.output_hz = HZ[config.audio]  # as the server takes and sends it
        self.appended_per_ms = FORMATS[config.audio][1]  # bytes of what `append` is given, before it is converted
        self._bytes_per_ms: float = FORMATS[config.audio][1]  # of what the server sends
        self.outbox: list[bytes] = []
        self.ready = False
        self.session_id = ""
        self.unknown: dict[str, int] = {}
        self._serial = itertools.count(1)
        self._sent: dict[str, str] = {}  # event_id to type, of the last events
        self._active: str | None = None  # id of the response in progress; "" while it is only asked for
        self._owed: dict[str, Any] | None = None  # the response.create that waits its turn
        self._last_create: dict[str, Any] = {}
        self._interrupted: dict[str, None] = {}  # responses of which nothing is to be heard any more
        self._hushed: dict[str, None] = {}  # items, likewise
        self._hush = False  # the caller has interrupted, and the server has not begun anything since
        self._told_calls: dict[str, ToolCall] = {}  # told of before their response was done, by call_id
        self._asides: dict[str, None] = {}  # responses outside of the conversation
        self._asides_asked = 0
        self.unreadable = 0  # events that could not be read
        self.answer_due_since: float | None = None  # set by whoever has a clock
        self._received_bytes: dict[tuple[str, int], int] = {}
        self._complete: dict[str, None] = {}  # items whose audio has all come
        self._saying = ""  # the item that audio came for last
        self._open_calls = self._history.open_calls
        self._spoke = False  # audio has come of the response in progress
        self._answer_due = False  # the caller's turn is over, and the server has not begun to answer it
        self.hearing = False  # the caller has begun a turn of which the words are not known yet
        self._seen_calls: dict[str, None] = {}
        self._user_speaking = False

    @property
    def _server_interrupts(self) -> bool:
        return self._does("interrupt_response")

    @property
    def _server_responds(self) -> bool:
        return self._does("create_response")

    def _does(self, what: str) -> bool:
        """The server, by the turn detection that it has now."""
        turn_detection = self.updates.has.turn_detection or {}
        return bool(turn_detection.get(what, bool(turn_detection)))

    # verbs

    def append(self, audio: bytes) -> bytes:
        """The text of one `input_audio_buffer.append`, of the session's format. The one verb that is not queued."""
        return b'{"type":"input_audio_buffer.append","audio":"%b"}' % b64encode(audio)

    def create_response(self, instructions: str = "") -> None:
        """Let the model speak now, or as soon as the response in progress has ended."""
        self.respond({"instructions": instructions} if instructions else {})

    def respond(self, response: dict[str, Any]) -> None:
        """The same, with all that a `response.create` may say."""
        if response.get("conversation") == "none":  # beside the conversation: it waits for nobody
            self._asides_asked += 1
            self._send("response.create", response=response)
            return
        if self._active is not None:
            self._owed = response
            return
        self._active, self._last_create, self._owed, self._spoke = "", response, None, False
        self._send("response.create", **({"response": response} if response else {}))

    def add_text(self, text: str, role: str = "user") -> None:
        """An item that says `text`; without a response."""
        self._history.text(role, text)
        self._send("conversation.item.create", item=message(role, text))

    def interrupt(self, heard: list[Heard], by_speech: bool = True) -> list[Heard]:
        """The caller talks over the agent: `heard` is what was played of each item that was playing or queued.

        Late audio of the response is dropped from now on, and the server is told what was heard, never more than was
        received. With `by_speech` the server has heard it too, and may cancel the response by itself; a key that was
        pressed it cannot hear. Returns the truncations as they were sent.
        """
        dialect = self._dialect
        self._hush = True
        for item_id in {self._saying, *(item.item_id for item in heard)} - {""}:
            self._hushed[item_id] = None
            _keep_newest(self._hushed)
        if self._active:
            named = {} if self._active == NAMELESS else {"response_id": self._active}
            if named:
                self._interrupted[self._active] = None
                _keep_newest(self._interrupted)
            if dialect.cancels or not (by_speech and self._server_interrupts):
                self._send("response.cancel", **named)
        if dialect.clears and heard:
            self._send("output_audio_buffer.clear")
        self._owed = None  # the caller's new turn answers in its place
        truncated = []
        for item in heard:
            self._session_history.cut(item.item_id, item.ms)
            if not dialect.truncates or (item.item_id, item.content_index) not in self._received_bytes:
                continue  # of a session before this one
            received = int(self._received_bytes.get((item.item_id, item.content_index), 0) / self._bytes_per_ms)
            played = min(item.ms, received)
            if played == 0:
                self._send("conversation.item.delete", item_id=item.item_id)
            elif played < received or item.item_id not in self._complete:
                self._send(
                    "conversation.item.truncate",
                    item_id=item.item_id,
                    content_index=item.content_index,
                    audio_end_ms=played,
                )
                truncated.append(Heard(item.item_id, item.content_index, played))
        return truncated

    def tool_output(self, call_id: str, output: str, respond: bool = True) -> None:
        """Answer a ToolCall. When all calls of its response are answered the model speaks on, once."""
        if call_id not in self._open_calls:
            return
        self._open_calls.discard(call_id)
        self._history.output(call_id, output)
        self._send(
            "conversation.item.create",
            item={"type": "function_call_output", "call_id": call_id, "output": output},
        )
        if respond and not self._open_calls and not (self._user_speaking and self._server_responds):
            self.create_response()

    def steer(self, event: dict[str, Any]) -> None:
        """A client event of somebody else's, who sees what the server says; what it means is kept account of."""
        kind, item = event.get("type"), _dict(event, "item")
        if kind == "response.create":
            self.respond(_dict(event, "response"))
        elif kind == "conversation.item.create" and item.get("type") == "function_call_output":
            self.tool_output(_str(item, "call_id"), _str(item, "output"), respond=False)
        else:
            if kind == "conversation.item.create" and item.get("type") == "message":
                texts = [_str(part, "text") for part in _list(item, "content") if isinstance(part, dict)]
                self._history.text(_str(item, "role") or "user", " ".join(filter(None, texts)))
            self._sent[_str(event, "event_id")] = str(kind)
            _keep_newest(self._sent)
            self.outbox.append(orjson.dumps(event))

    @property
    def busy(self) -> bool:
        """A response is in progress, or asked for."""
        return self._active is not None or self._owed is not None

    @property
    def answer_due(self) -> bool:
        """The caller's turn is over, and the server, which answers by itself, has not begun to."""
        return self._answer_due and not self._user_speaking

    @property
    def waiting(self) -> bool:
        """The server has something to say now."""
        return self._active is not None

    @property
    def owed(self) -> dict[str, Any] | None:
        """The `response.create` that another session has to begin with in this one's place; None: nothing is due."""
        if self._owed is None and self._active is None and self._answer_due:
            return {}
        if self._owed is not None or self._active is None or self._is_interrupted:
            return self._owed
        return None if self._spoke and self._saying in self._complete else self._last_create

    @property
    def unfinished(self) -> bool:
        """Of what is being said more audio is still to come."""
        return bool(self._active) and not self._is_interrupted and self._saying not in self._complete

    @property
    def _is_interrupted(self) -> bool:
        """Nothing of the response in progress is to be heard any more."""
        return self._active in self._interrupted or (self._active == NAMELESS and self._hush)

    def probe(self) -> None:
        """Ask for a sign of life: an update that changes nothing, which any server answers."""
        if not self.updates.probing:
            self._send_update(None, ())

    def retry(self) -> bool:
        """Ask once more for the response that has just failed; False where something else is in progress."""
        if self._active is not None:
            return False
        self._owed = None
        self.respond(self._last_create)
        return True

    def owe(self) -> None:
        """The response that has just failed is for another session to give."""
        if self._owed is None and self._active is None:
            self._owed = self._last_create

    def update(self, config: SessionConfig) -> None:
        """Only what has changed; where it is refused all stays as it was."""
        if not self.updates.unchanged(config):
            self._send_update(config, differences(self.updates.wanted, config) & self._dialect.takes)

    def _send_update(self, config: SessionConfig | None, changed: Collection[str]) -> None:
        event_id = self._send("session.update", session=self._dialect.session(config or self.updates.wanted, changed))
        self.updates.sent(event_id, config, changed)

    def _send_what_is_due(self) -> None:
        """Of the settings that are wanted, those that came to nothing with an update before."""
        if due := self.updates.due():
            self._send_update(self.updates.wanted, due)

    # server events

    def receive(self, event: dict[str, Any]) -> list[Event]:
        """What one server event means. Malformed fields are taken as absent."""
        kind = _str(event, "type")
        match kind:
            case "response.output_audio.delta" | "response.audio.delta":
                return self._receive_audio(event)
            case "session.created" | "conversation.created" if not self.session_id:
                named = _dict(event, "session") or _dict(event, "conversation")
                self.session_id = _str(named, "id") or "session"
                self._send("session.update", session=self._dialect.session(self.updates.wanted))
            case "session.updated" if self.ready:
                self.updates.accepted()
                self._send_what_is_due()
            case "session.updated":
                if problem := self._take_formats(_dict(event, "session")):
                    return [ProviderFault(Severity.FATAL, "wrong_format", problem, "session.update")]
                self.ready = True
                for item in self._history.items():
                    self._send("conversation.item.create", item=item)
                return [Ready(self.session_id)]
            case "input_audio_buffer.speech_started":
                self._user_speaking = self.hearing = True
                self._answer_due = False
                return [SpeechStarted(_int(event, "audio_start_ms"), str(event.get("item_id") or ""))]
            case "input_audio_buffer.speech_stopped":
                self._user_speaking, self._answer_due = False, self._server_responds
                self._hush = False  # whatever comes now is an answer to it
                return [SpeechStopped(_int(event, "audio_end_ms"))]
            case "input_audio_buffer.committed":
                self._session_history.turn(_str(event, "item_id"))
            case "conversation.item.input_audio_transcription.completed":
                return [self._words("user", event)]
            case "conversation.item.input_audio_transcription.failed":
                self.hearing = self._user_speaking
            case "response.output_audio_transcript.done" | "response.audio_transcript.done":
                return [self._words("assistant", event)]
            case "response.output_audio_transcript.delta" | "response.audio_transcript.delta":
                self._session_history.more(_str(event, "item_id"), _str(event, "delta"))
            case "response.output_audio.done" | "response.audio.done":
                self._complete[_str(event, "item_id")] = None
                _keep_newest(self._complete)
            case "response.created":
                self._receive_created(_dict(event, "response"))
            case "response.output_item.added" | "response.output_item.done":
                item = _dict(event, "item")
                if item.get("type") == "function_call":
                    self._told_of(_str(item, "call_id"), _str(item, "name"), _str(item, "arguments"))
            case "response.function_call_arguments.done":
                self._told_of(_str(event, "call_id"), _str(event, "name"), _str(event, "arguments"))
            case "response.done":
                return self._receive_done(_dict(event, "response"))
            case "error":
                return self._receive_error(_dict(event, "error") or {"message": _str(event, "error") or "an error"})
            case _ if kind not in _PASSED_OVER:
                self.unknown[kind] = self.unknown.get(kind, 0) + 1
        return []

    def _take_formats(self, session: dict[str, Any]) -> str:
        """What the server says that it takes and sends, where that is not what was asked for; a problem, or nothing."""
        audio, kind = _dict(session, "audio"), self.updates.wanted.audio
        for side, place in (("input", "input_hz"), ("output", "output_hz")):
            told = _dict(_dict(audio, side), "format")
            named = _str(told, "type") or _OLD_FORMATS.get(_str(session, f"{side}_audio_format"), "")
            if named and named != kind:
                return f"the provider's {side} is {named}, and {kind} was asked for"
            hz = _int(told, "rate")
            if kind == "audio/pcm" and hz and hz != getattr(self, place):
                if hz not in RATES:
                    return f"the provider's {side} has a rate of {hz} Hz; these can be converted: {RATES}"
                setattr(self, place, hz)
        self._bytes_per_ms = FORMATS[kind][1] * self.output_hz / HZ[kind]
        return ""

    def _told_of(self, call_id: str, name: str, arguments: str) -> None:
        """A function that the model wants run, in whichever event; it is run when its response is done, once."""
        if not call_id:
            return
        known = self._told_calls.get(call_id, ToolCall(call_id, "", ""))
        self._told_calls[call_id] = ToolCall(call_id, name or known.name, arguments or known.arguments)
        _keep_newest(self._told_calls)

    def _receive_created(self, response: dict[str, Any]) -> None:
        identity = _str(response, "id")
        beside = "conversation_id" in response and response["conversation_id"] is None
        if beside and (self._asides_asked or self._active):
            self._asides_asked = max(0, self._asides_asked - 1)
            self._asides[identity] = None
            _keep_newest(self._asides)
            return
        if self._active != "":
            self._last_create = {}  # the server's own idea
        self._spoke = self._answer_due = self._hush = False
        self._active = identity or NAMELESS

    def _words(self, role: str, event: dict[str, Any]) -> Transcript:
        item_id, text = _str(event, "item_id"), _str(event, "transcript").strip()
        self._session_history.words(role, item_id, text)
        if role == "user":
            self.hearing = self._user_speaking
        extra = event.get("providerData")
        return Transcript(role, item_id, text, extra if isinstance(extra, dict) else {})

    def heard_of(self, item_id: str) -> str:
        """The words of an item of the assistant's, as far as the caller heard them."""
        return self._session_history.heard(item_id)

    def _receive_audio(self, event: dict[str, Any]) -> list[Event]:
        response, item, index = _str(event, "response_id"), _str(event, "item_id"), _int(event, "content_index")
        if response in self._interrupted or (item and item in self._hushed) or (not response and self._hush):
            return []
        try:
            audio = b64decode(event.get("delta") or "", validate=True)
        except (Base64Error, TypeError, ValueError):
            return [ProviderFault(Severity.TURN, "invalid_audio", "an audio delta is not base64")]
        self._saying = item
        self._spoke = self._spoke or response not in self._asides
        self._session_history.audio(item, len(audio) / self._bytes_per_ms)
        self._received_bytes[item, index] = self._received_bytes.get((item, index), 0) + len(audio)
        _keep_newest(self._received_bytes)
        return [AudioDelta(item, index, audio)]

    def _receive_done(self, response: dict[str, Any]) -> list[Event]:
        identity, status = _str(response, "id"), _str(response, "status") or "completed"
        details = _dict(response, "status_details")
        error = _dict(details, "error")
        code = _str(error, "code") or _str(error, "type") or _str(details, "reason")
        problem = _str(error, "message") or code
        usage = _dict(response, "usage")
        if identity in self._asides:
            del self._asides[identity]
            return [ResponseDone(identity, status, (), problem, usage, code, spoke=True)]
        ours = self._active in ("", identity, NAMELESS) or not identity
        interrupted = identity in self._interrupted or (ours and self._is_interrupted)
        spoke = self._spoke or not ours or interrupted
        if ours:
            self._active = None
        calls = self._calls_of(response, status) if not interrupted else []
        if status == "completed" and self.updates.wanted.transcription is None:
            self.hearing = self._user_speaking
        if self._owed is not None and not calls and self._active is None:
            owed, self._owed = self._owed, None
            self.respond(owed)
        return [ResponseDone(identity, status, tuple(calls), problem, usage, code, spoke or bool(calls))]

    def _calls_of(self, response: dict[str, Any], status: str) -> list[ToolCall]:
        """Functions to run: those that the response names, and those that were told of on the way."""
        told, self._told_calls = self._told_calls, {}
        if status != "completed":
            return []
        for item in _list(response, "output"):
            if isinstance(item, dict) and item.get("type") == "function_call" and (call_id := _str(item, "call_id")):
                before = told.get(call_id, ToolCall(call_id, "", ""))
                name, arguments = _str(item, "name") or before.name, _str(item, "arguments") or before.arguments
                told[call_id] = ToolCall(call_id, name, arguments)
        calls = []
        for call_id, call in told.items():
            if call_id not in self._seen_calls and call.name:
                self._seen_calls[call_id] = None
                _keep_newest(self._seen_calls)
                self._open_calls.add(call_id)
                calls.append(ToolCall(call_id, call.name, call.arguments or "{}"))
                self._history.call(call_id, calls[-1].name, calls[-1].arguments)
        return calls

    def _receive_error(self, error: dict[str, Any]) -> list[Event]:
        event_id = _str(error, "event_id")
        if self.updates.is_probe(event_id):
            self.updates.refused(event_id)  # that is a sign of life, too
            return []
        about = self._sent.get(event_id, "") if event_id else self._guess(error)
        code = _str(error, "code") or _str(error, "type") or "unknown"
        if code == "conversation_already_has_active_response" and self._active == "":
            self._active, self._owed = NAMELESS, self._last_create  # the server's own turn came first
        elif about == "response.create" and self._active == "":
            self._active = None
        elif about == "session.update" and self.ready:
            self.updates.refused(event_id or self.updates.oldest())
            self._send_what_is_due()
        severity = severity_of(error, about)
        if not self.ready:
            severity = Severity.FATAL  # whatever it is, our settings were not taken
        return [ProviderFault(severity, code, _str(error, "message") or code, about)]

    def _guess(self, error: dict[str, Any]) -> str:
        """Which event of ours an error is about that does not say so: by the field that it names, or what waits."""
        field = _str(error, "param").partition(".")[0]
        if about := {"session": "session.update", "response": "response.create", "item": _CREATE}.get(field, ""):
            return about
        refusal = "invalid_request_error" in (_str(error, "type"), _str(error, "code"))
        if refusal and self.updates.is_probe(self.updates.oldest()):
            self.updates.refused(self.updates.oldest())
            return "probe"
        return "session.update" if refusal and self.updates.pending and self._active != "" else ""

    def _send(self, kind: str, **fields: Any) -> str:
        """Returns its event_id."""
        event_id = f"event_{next(self._serial)}"
        self._sent[event_id] = kind
        _keep_newest(self._sent)
        self.outbox.append(orjson.dumps({"event_id": event_id, "type": kind, **fields}))
        return event_id


def _keep_newest(known: dict[Any, Any]) -> None:
    """Of what grows with every item of a long conversation."""
    if len(known) > MAX_REMEMBERED:
        del known[next(iter(known))]


def _dict(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _str(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _int(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**53) < value < 2**53:
        return 0  # NaN and infinity are no numbers of ms, either
    return int(value)


_PASSED_OVER = frozenset(
    {
        "session.created",
        "conversation.created",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.created",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.function_call_arguments.delta",
        "rate_limits.updated",
        "ping",
    }
)
