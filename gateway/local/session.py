"""One session of the Realtime protocol, served: the events of OpenAI's reference, GA names.

Sans-I/O: `receive` takes a client event's text and the time, `expire` plays what is due, `outbox` holds the server
events as JSON. Behind it stand the parts that are handed in: detector, ears, brain and mouth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import structlog

from gateway.local.audio import Samples, format_of
from gateway.local.brain import Brain, Reply, verbatim
from gateway.local.chat import request
from gateway.local.checks import EventError, check_formats, in_one_spelling, invalid_format, merge
from gateway.local.client_events import check, decode
from gateway.local.conversation_items import ConversationItems, new_id, new_item
from gateway.local.detector import PATIENCE_MS, Detector, Pause, Started, Stopped, Turns, TurnSettings
from gateway.local.input_audio import EARS_HZ, InputAudioBuffer
from gateway.local.response import WAIT, Response, shortened
from gateway.local.script import Script

log = structlog.get_logger("gateway.local")

MAX_UTTERANCE_SECONDS = 60
MIN_COMMIT_MS = 100


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session is made of. `speak(text, voice, speed, hz)` gives samples; `understand` takes them at 16 kHz."""

    script: Script
    understand: Callable[[Samples], str]
    speak: Callable[[str, str, float, int], Samples]
    detector: Callable[[], Detector]


@dataclass(slots=True)
class Run:
    """A response that is being given: its `steps` are played when they are `due` (s)."""

    response: Response
    steps: Iterator[dict[str, Any] | float]
    due: float


class Session:
    """One client. It never raises for what the client sends."""

    def __init__(self, model: str, parts: Parts, expires_at: float = 0.0, kind: str = "realtime") -> None:
        """`expires_at` is what the client is told, in s since 1970. `kind`: realtime, or transcription (it listens)."""
        self.outbox: list[bytes] = []
        self.thoughts: list[tuple[str, dict[str, Any]]] = []  # what is to be asked elsewhere, by response
        self._parts = parts
        self._brain = Brain(parts.script)
        self._detector = parts.detector()
        self._items = ConversationItems(self._send)
        self._input = InputAudioBuffer()
        self._understood: dict[str, str] = {}  # user items: what was heard, whether or not transcription is on
        self._audio_ms: dict[str, Response] = {}  # assistant items: the response that knows their length
        self._conversation_id = new_id("conv")
        self._run: Run | None = None  # of the conversation
        self._asides: list[Run] = []  # responses beside it
        self._idle_due: float | None = None  # when a caller who says nothing is asked
        self._began = 0.0  # of the latest response
        self._user_item = ""
        self._voice_used = False
        self._config: dict[str, Any] = {
            "type": kind,
            "object": "realtime.session",
            "id": new_id("sess"),
            "expires_at": int(expires_at),
            "model": model,
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": None,
            "prompt": None,
            "include": None,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 500,
                        "idle_timeout_ms": None,
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "en-us", "speed": 1.0},
            },
        }
        self._apply()
        self._send({"type": "session.created", "session": self._config})
        conversation = {"id": self._conversation_id, "object": "realtime.conversation"}
        self._send({"type": "conversation.created", "conversation": conversation})

    # machine

    def deadline(self) -> float | None:
        runs = [run.due for run in self._runs if run.due != WAIT]
        idle = [self._idle_due] if self._idle_due is not None and self._run is None else []
        return min((*runs, *idle), default=None)

    @property
    def _runs(self) -> list[Run]:
        return [*([self._run] if self._run else []), *self._asides]

    @property
    def _response(self) -> Response | None:
        """The one in progress in the conversation."""
        return self._run.response if self._run else None

    def expire(self, now: float) -> None:
        """Play on what is due of the responses in progress; ask who has said nothing for too long."""
        if self._idle_due is not None and self._idle_due <= now and self._run is None:
            self._ask_after(now)
        for run in self._runs:
            while run.due <= now:
                step = next(run.steps, None)
                if step is None:
                    self._over(run, now)
                    break
                if isinstance(step, float):
                    run.due += step
                else:
                    self._tell(run, step)

    def _over(self, run: Run, now: float) -> None:
        if run is self._run:
            self._await_caller(run.response, now)
            self._run = None
        elif run in self._asides:
            self._asides.remove(run)

    def _tell(self, run: Run, event: dict[str, Any]) -> None:
        if run is self._run:
            self._record(event)
        self._send(event)

    # input

    def receive(self, text: str | bytes, now: float) -> None:
        event_id: Any = None
        try:
            event = decode(text)
            event_id = event.get("event_id")
            check(event)
            _HANDLERS[event["type"]](self, event, now)
        except EventError as error:
            self.tell_error("invalid_request_error", error.code, error.message, error.param, event_id)
        except Exception as error:  # boundary: a fault of ours is told, and the session goes on
            log.exception("local.bug", event_type=event.get("type"))
            self.tell_error("server_error", "internal_error", f"{type(error).__name__}: {error}", None, event_id)
        self.expire(now)

    def tell_error(self, kind: str, code: str, message: str, param: str | None = None, event_id: object = None) -> None:
        about = event_id if isinstance(event_id, str) else None
        details = {"type": kind, "code": code, "message": message, "param": param, "event_id": about}
        self._send({"type": "error", "error": details})

    def _update(self, event: dict[str, Any], now: float) -> None:
        change = in_one_spelling(event["session"])
        kind = "transcription" if event["type"].startswith("transcription") else change.get("type")
        if kind not in (None, self._config["type"]):
            mine = self._config["type"]
            raise EventError("invalid_value", f"Passing a {kind} session update to a {mine} session.", "session.type")
        merged = deepcopy(self._config)
        merge(merged, {key: value for key, value in change.items() if key not in _FIXED})
        check_formats(merged)
        voice = (merged["audio"].get("output") or {}).get("voice")
        if self._voice_used and voice != self._config["audio"]["output"]["voice"]:
            raise EventError(
                "cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present."
            )
        self._config = merged
        self._apply()
        self._send({"type": "session.updated", "session": self._config})

    def _apply(self) -> None:
        """Make the machinery follow the configuration."""
        audio = self._config["audio"]["input"]
        wanted = format_of(audio["format"])
        assert wanted is not None
        self._input.use(wanted)
        detection = audio["turn_detection"]
        if detection is None:
            self._turns: Turns | None = None
            return
        settings = TurnSettings(
            kind=detection["type"],
            threshold=detection.get("threshold") or 0.5,
            prefix_padding_ms=int(detection.get("prefix_padding_ms") or 0),
            silence_duration_ms=int(detection.get("silence_duration_ms") or 500),
            patience_ms=PATIENCE_MS.get(detection.get("eagerness") or "auto", 4000),
            create_response=detection.get("create_response", True),
            interrupt_response=detection.get("interrupt_response", True),
        )
        if getattr(self, "_turns", None) is None:
            self._turns = Turns(self._detector, settings)
        else:
            assert self._turns is not None
            self._turns.settings = settings

    def _append(self, event: dict[str, Any], now: float) -> None:
        for window in self._input.append(event["audio"]):
            self._hear(window, now)

    def _await_caller(self, response: Response, now: float) -> None:
        """From the end of what was said, as far as the server can know it, `idle_timeout_ms` run."""
        idle_ms = (self._config["audio"]["input"]["turn_detection"] or {}).get("idle_timeout_ms")
        if idle_ms and not (self._turns and self._turns.speaking):
            spoken = len(response.audio) / response.format.hz
            self._idle_due = max(now, self._began + spoken) + idle_ms / 1000

    def _ask_after(self, now: float) -> None:
        self._idle_due, identity = None, new_id("item")
        times = {"audio_start_ms": self._input.heard_ms, "audio_end_ms": self._input.heard_ms, "item_id": identity}
        self._send({"type": "input_audio_buffer.timeout_triggered", **times})
        previous = self._items.last_id
        self._send({"type": "input_audio_buffer.committed", "item_id": identity, "previous_item_id": previous})
        content = [{"type": "input_audio", "transcript": None}]
        self._items.insert(new_item(identity, "message", role="user", content=content), previous)
        self._respond({"instructions": f"Say exactly: {self._parts.script.idle}"}, now)

    def _hear(self, window: Samples, now: float) -> None:
        self._input.keep(window)
        turns = self._turns
        if turns is None:
            self._input.limit(MAX_UTTERANCE_SECONDS * 1000)
            return
        match turns.push(window):
            case Started(at_ms):
                self._user_item, self._idle_due = new_id("item"), None
                speech = {"audio_start_ms": at_ms, "item_id": self._user_item}
                self._send({"type": "input_audio_buffer.speech_started", **speech})
                if turns.settings.interrupt_response:
                    self._interrupt("turn_detected")
            case Stopped(at_ms):
                self._turn_over(at_ms, now)
            case Pause() if self._parts.script.find(self._parts.understand(self._input.audio)):
                self._turn_over(turns.stop().at_ms, now)
        if not turns.speaking:
            self._input.limit(turns.settings.prefix_padding_ms + 64)
        else:
            self._input.limit(MAX_UTTERANCE_SECONDS * 1000)

    def _turn_over(self, at_ms: int, now: float) -> None:
        assert self._turns is not None
        stopped = {"audio_end_ms": at_ms, "item_id": self._user_item}
        self._send({"type": "input_audio_buffer.speech_stopped", **stopped})
        self._commit_item()
        answers = self._turns.settings.create_response and self._config["type"] == "realtime"
        if answers and self._run is None:
            self._respond({}, now)

    def _commit(self, event: dict[str, Any], now: float) -> None:
        heard_ms = self._input.ms
        if heard_ms < MIN_COMMIT_MS:
            raise EventError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: the buffer is too small. Expected at least 100ms of audio, but "
                f"buffer only has {heard_ms:.2f}ms of audio.",
            )
        if self._turns:
            self._turns.speaking = False
        self._commit_item()

    def _commit_item(self) -> None:
        audio = self._input.audio
        self._input.clear()
        identity, self._user_item = self._user_item or new_id("item"), ""
        text = self._understood[identity] = self._parts.understand(audio)
        wants_text = self._config["audio"]["input"]["transcription"] is not None
        content = [{"type": "input_audio", "transcript": None}]
        item = new_item(identity, "message", role="user", content=content)
        previous = self._items.last_id
        self._send({"type": "input_audio_buffer.committed", "item_id": identity, "previous_item_id": previous})
        self._items.insert(item, previous)
        if wants_text:
            place = {"item_id": identity, "content_index": 0}
            kind = "conversation.item.input_audio_transcription"
            if text:
                self._send({"type": f"{kind}.delta", **place, "delta": text})
            content[0]["transcript"] = text
            usage = {"type": "duration", "seconds": round(len(audio) / EARS_HZ, 2)}
            self._send({"type": f"{kind}.completed", **place, "transcript": text, "usage": usage})

    def _clear(self, event: dict[str, Any], now: float) -> None:
        self._input.clear()
        self._send({"type": "input_audio_buffer.cleared"})

    # conversation

    def _truncate(self, event: dict[str, Any], now: float) -> None:
        item = self._items.find(event["item_id"], "item_truncate_invalid_item_id")
        index, end_ms = event["content_index"], event["audio_end_ms"]
        response = self._audio_ms.get(item["id"])
        if response is None or item.get("role") != "assistant":
            raise EventError("unsupported_content_type", "Only model output audio messages can be truncated", "item_id")
        spoken = response.spoken[item["id"]]
        if index != 0:
            raise EventError("invalid_value", f"Item has no content at index {index}.", "content_index")
        if not 0 <= end_ms <= spoken.ms:
            raise EventError(
                "invalid_value",
                f"Audio content of {spoken.ms}ms is already shorter than {end_ms}ms",
                "audio_end_ms",
            )
        spoken.ms = end_ms
        item["content"] = [{"type": "output_audio", "transcript": ""}]  # nobody knows which words were heard
        place = {"item_id": item["id"], "content_index": index, "audio_end_ms": end_ms}
        self._send({"type": "conversation.item.truncated", **place})

    # responses

    def _create_response(self, event: dict[str, Any], now: float) -> None:
        if self._config["type"] != "realtime":
            raise EventError("invalid_value", "A transcription session has no responses.", "type")
        wanted = in_one_spelling(event.get("response") or {})
        if self._run and wanted.get("conversation") != "none":
            raise EventError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._run.response.id}. Wait until the "
                "response is finished before creating a new one.",
            )
        self._respond(wanted, now)

    def _given(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """What a response answers to: the conversation, or the items that it names or brings. Raises EventError."""
        if wanted.get("input") is None:
            return list(self._items)
        items = []
        for number, item in enumerate(wanted["input"]):
            if item["type"] == "item_reference":
                item = self._items.find(item["id"], "item_reference_invalid_item_id", f"response.input[{number}].id")
            items.append(item)
        return items

    def _respond(self, wanted: dict[str, Any], now: float) -> None:
        audio = deepcopy(self._config["audio"]["output"])
        merge(audio, (wanted.get("audio") or {}).get("output") or {})
        output = format_of(audio["format"])
        if output is None:
            raise invalid_format("response.audio.output.format")
        tools = _or(wanted.get("tools"), self._config["tools"]) or []
        choice = _or(wanted.get("tool_choice"), self._config["tool_choice"]) or "auto"
        named = self._forced(choice, tools)
        modalities = wanted.get("output_modalities") or self._config["output_modalities"]
        items = [self._as_understood(item) for item in self._given(wanted)]
        names = {str(tool["name"]) for tool in tools if choice != "none"}
        instructions, chat = str(wanted.get("instructions") or ""), self._parts.script.chat
        asked = chat is not None and not verbatim(instructions)
        reply = Reply() if asked else self._brain.reply(items, instructions, names, named)
        speed = float(audio.get("speed") or 1.0)
        silent = "audio" not in modalities or not reply.text
        voice = audio.get("voice")
        samples = np.zeros(0, np.int16)
        if not silent:
            samples = self._parts.speak(reply.text, voice if isinstance(voice, str) else "en-us", speed, output.hz)
            self._voice_used = True
        most = _or(wanted.get("max_output_tokens"), self._config["max_output_tokens"])
        if isinstance(most, int):
            reply, samples, cut = shortened(reply, samples, output, most)
        beside = wanted.get("conversation") == "none"
        if not beside:
            self._began, self._idle_due = now, None
        response = Response(
            id=new_id("resp"),
            config={
                "output_modalities": modalities,
                "max_output_tokens": most,
                "audio": {"output": {"format": audio["format"], "voice": audio["voice"]}},
                "metadata": wanted.get("metadata"),
            },
            reply=reply,
            audio=samples,
            format=output,
            new_id=new_id,
            conversation_id=None if beside else self._conversation_id,
            incomplete=isinstance(most, int) and cut,
            input_tokens=(len(self._config["instructions"]) + sum(len(str(item)) for item in items)) // 4,
        )
        if chat and asked:
            response.growing = True
            orders = "\n\n".join(filter(None, (instructions or self._config["instructions"],)))
            body = request(chat, items, orders, [tool for tool in tools if tool["name"] in names], choice)
            self.thoughts.append((response.id, body))
        run = Run(response, response.play(), now)
        if beside:
            self._asides.append(run)
        else:
            self._run = run
        self.expire(now)

    def _forced(self, choice: Any, tools: list[dict[str, Any]]) -> str | None:
        """The function that has to be called: its name, any by an empty one, or None. Raises EventError."""
        if choice == "required":
            return ""
        if not isinstance(choice, dict):
            return None
        name = choice.get("name") or ""
        if name not in {tool["name"] for tool in tools}:
            raise EventError("invalid_value", f"Tool choice {name!r} not found in tools.", "tool_choice")
        return str(name)

    def _of(self, response_id: str) -> Run | None:
        return next((run for run in self._runs if run.response.id == response_id), None)

    def say(self, response_id: str, sentence: str, now: float) -> None:
        """The next sentence of an answer that somebody else thinks of."""
        run = self._of(response_id)
        if run is None or run.response.cancelled:
            return
        response = run.response
        samples, voice = np.zeros(0, np.int16), response.config["audio"]["output"]["voice"]
        if "audio" in response.config["output_modalities"]:
            speed = float(self._config["audio"]["output"].get("speed") or 1.0)
            named = voice if isinstance(voice, str) else "en-us"
            samples = self._parts.speak(sentence, named, speed, response.format.hz)
            self._voice_used = True
        response.said.append((sentence, samples))
        run.due = now
        self.expire(now)

    def said_all(
        self, response_id: str, calls: tuple[tuple[str, dict[str, Any]], ...], problem: str, now: float
    ) -> None:
        """The answer is whole, or there is no more of it because of `problem`."""
        run = self._of(response_id)
        if run is None:
            return
        run.response.growing, run.response.problem = False, problem
        run.response.reply = Reply(calls=calls)
        run.due = now
        self.expire(now)

    def _as_understood(self, item: dict[str, Any]) -> dict[str, Any]:
        if text := self._understood.get(item.get("id", "")):
            return {**item, "content": [{"type": "input_text", "text": text}]}
        return item

    def _cancel(self, event: dict[str, Any], now: float) -> None:
        wanted = event.get("response_id")
        run = self._of(wanted) if wanted else self._run
        if run is None:
            raise EventError("response_cancel_not_active", "Cancellation failed: no active response found")
        self._finish(run, "client_cancelled")

    def _clear_output(self, event: dict[str, Any], now: float) -> None:
        """What was sent and not heard yet is the client's to drop; what was not sent is dropped here."""
        response_id = self._run.response.id if self._run else new_id("resp")
        self._interrupt("client_cancelled")
        self._send({"type": "output_audio_buffer.cleared", "response_id": response_id})

    def _interrupt(self, reason: str) -> None:
        """Let the response in progress go straight to its end."""
        if self._run:
            self._finish(self._run, reason)

    def _finish(self, run: Run, reason: str) -> None:
        run.response.cancel(reason)
        for step in run.steps:
            if not isinstance(step, float):
                self._tell(run, step)
        if run is self._run:
            self._run = None
        else:
            self._asides.remove(run)

    def _record(self, event: dict[str, Any]) -> None:
        """The items of a response join the conversation as they begin."""
        if event["type"] == "conversation.item.done":
            event["previous_item_id"] = self._items.before(event["item"]["id"])
        if event["type"] != "conversation.item.added" or self._response is None:
            return
        item = event["item"]
        event["previous_item_id"] = self._items.last_id
        self._items.append(item)
        if item["type"] == "message" and "audio" in self._response.config["output_modalities"]:
            self._audio_ms[item["id"]] = self._response

    def _send(self, event: dict[str, Any]) -> None:
        self.outbox.append(orjson.dumps({"event_id": new_id("event"), **event}))


_FIXED = frozenset({"id", "object", "model", "type", "expires_at"})  # cannot be changed in a session

_HANDLERS: dict[str, Callable[[Session, dict[str, Any], float], None]] = {
    "session.update": Session._update,
    "transcription_session.update": Session._update,
    "input_audio_buffer.append": Session._append,
    "input_audio_buffer.commit": Session._commit,
    "input_audio_buffer.clear": Session._clear,
    "output_audio_buffer.clear": Session._clear_output,
    "conversation.item.create": lambda session, event, now: session._items.create(event),
    "conversation.item.retrieve": lambda session, event, now: session._items.retrieve(event),
    "conversation.item.delete": lambda session, event, now: session._items.delete(event),
    "conversation.item.truncate": Session._truncate,
    "response.create": Session._create_response,
    "response.cancel": Session._cancel,
}


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
