"""One response of the served protocol: its events in their order, paced faster than real time, and its early end."""

from __future__ import annotations

import math
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gateway.local.audio import Format, Samples
from gateway.local.brain import Reply

DELTA_MS = 100
WAIT = math.inf
"""s: until something is added."""

SPEEDUP = 8
"""Audio is sent this many times faster than it is spoken, as providers do."""


AUDIO_TOKEN_MS, TEXT_TOKEN_LETTERS = 50, 4
"""Of the size that providers bill."""


def shortened(reply: Reply, audio: Samples, format_: Format, tokens: int) -> tuple[Reply, Samples, bool]:
    """What `max_output_tokens` leave of it, and whether anything had to go."""
    most = tokens * AUDIO_TOKEN_MS * format_.hz // 1000 if len(audio) else tokens * TEXT_TOKEN_LETTERS
    whole = len(audio) or len(reply.text)
    if whole <= most:
        return reply, audio, False
    end = len(reply.text) * most // whole
    return replace(reply, text=reply.text[:end].rstrip(), calls=()), audio[:most], True


@dataclass(slots=True)
class Spoken:
    """What an item of the assistant holds: `ms` of audio were generated in all."""

    ms: int = 0


@dataclass(slots=True)
class Response:
    """`play` yields events, and floats: seconds to wait. After `cancel` it goes straight to its closing events."""

    id: str
    config: dict[str, Any]  # output_modalities, audio.output, metadata, max_output_tokens: as `response` shows them
    reply: Reply
    audio: Samples
    format: Format
    new_id: Callable[[str], str]
    conversation_id: str | None
    input_tokens: int
    output: list[dict[str, Any]] = field(default_factory=list)
    spoken: dict[str, Spoken] = field(default_factory=dict)  # by item id
    growing: bool = False  # more of `said` is to come
    said: list[tuple[str, Samples]] = field(default_factory=list)  # of an answer that comes piece by piece
    problem: str = ""  # why there is no more of it
    incomplete: bool = False  # max_output_tokens were reached
    cancelled: str = ""  # turn_detected or client_cancelled

    def cancel(self, reason: str) -> None:
        self.cancelled = self.cancelled or reason

    def body(self, status: str) -> dict[str, Any]:
        details: dict[str, Any] | None = None
        if status == "cancelled":
            details = {"type": "cancelled", "reason": self.cancelled}
        elif status == "failed":
            error = {"type": "server_error", "code": "chat_failed", "message": self.problem}
            details = {"type": "failed", "error": error}
        elif status == "incomplete":
            details = {"type": "incomplete", "reason": "max_output_tokens"}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": self.output,
            "conversation_id": self.conversation_id,
            **self.config,
            "usage": None if status == "in_progress" else self._usage(),
        }

    def play(self) -> Iterator[dict[str, Any] | float]:
        yield {"type": "response.created", "response": self.body("in_progress")}
        yield from self._wait()
        if self.reply.text or self.said:
            yield from self._message()
        for name, arguments in self.reply.calls:
            if not self.cancelled:
                yield from self._function_call(name, orjson.dumps(arguments).decode())
        status = "failed" if self.problem else "incomplete" if self.incomplete else "completed"
        if self.cancelled:
            status = "cancelled"
        yield {"type": "response.done", "response": self.body(status)}

    def _wait(self) -> Iterator[float]:
        """Until there is something to say, or nothing more will come."""
        while self.growing and not self.said and not self.cancelled:
            yield WAIT

    def _pieces(self) -> Iterator[tuple[str, Samples] | float]:
        """Of what is said, as it comes."""
        if self.reply.text:
            yield self.reply.text, self.audio
        first = True
        while self.said and not self.cancelled:
            text, audio = self.said.pop(0)
            yield text if first else f" {text}", audio
            first = False
            yield from self._wait()

    def _message(self) -> Iterator[dict[str, Any] | float]:
        text_only = self.config["output_modalities"] == ["text"]
        item = self._item("message", role="assistant", content=[])
        index = len(self.output) - 1
        place = {"response_id": self.id, "item_id": item["id"], "output_index": index, "content_index": 0}
        yield from self._open(item, index)
        part: dict[str, Any] = {"type": "text", "text": ""} if text_only else {"type": "audio", "transcript": ""}
        yield {"type": "response.content_part.added", **place, "part": part}
        said = ""
        for piece in self._pieces():
            if isinstance(piece, float):
                yield piece
                continue
            for delta in self._text_deltas(piece[0]) if text_only else self._audio_deltas(place, *piece):
                if self.cancelled:
                    break
                if isinstance(delta, str):
                    said += delta
                    kind = "response.output_text.delta" if text_only else "response.output_audio_transcript.delta"
                    yield {"type": kind, **place, "delta": delta}
                else:
                    yield delta
        if text_only:
            yield {"type": "response.output_text.done", **place, "text": said}
            part, content = {"type": "text", "text": said}, {"type": "output_text", "text": said}
        else:
            yield {"type": "response.output_audio.done", **place}
            yield {"type": "response.output_audio_transcript.done", **place, "transcript": said}
            part, content = {"type": "audio", "transcript": said}, {"type": "output_audio", "transcript": said}
        yield {"type": "response.content_part.done", **place, "part": part}
        item["content"] = [content]
        yield from self._close(item, index)

    def _text_deltas(self, text: str) -> Iterator[str]:
        words = text.split(" ")
        for number, word in enumerate(words):
            yield word if number == 0 else f" {word}"

    def _audio_deltas(self, place: dict[str, Any], text: str, audio: Samples) -> Iterator[str | float | dict[str, Any]]:
        """Audio in pieces of 100 ms, each after the words that are begun in it."""
        words = list(self._text_deltas(text))
        spoken = self.spoken[place["item_id"]]
        step = self.format.hz * DELTA_MS // 1000
        pieces = max(1, -(-len(audio) // step))
        for number in range(pieces):
            upto = len(words) * (number + 1) // pieces
            begun = len(words) * number // pieces
            if upto > begun:
                yield "".join(words[begun:upto])
            piece = audio[number * step : (number + 1) * step]
            spoken.ms += len(piece) * 1000 // self.format.hz
            delta = b2a_base64(self.format.encode(piece), newline=False).decode()
            yield {"type": "response.output_audio.delta", **place, "delta": delta}
            yield DELTA_MS / 1000 / SPEEDUP

    def _function_call(self, name: str, arguments: str) -> Iterator[dict[str, Any] | float]:
        item = self._item("function_call", name=name, call_id=self.new_id("call"), arguments="")
        index = len(self.output) - 1
        place = {
            "response_id": self.id,
            "item_id": item["id"],
            "output_index": index,
            "call_id": item["call_id"],
        }
        yield from self._open(item, index)
        yield {"type": "response.function_call_arguments.delta", **place, "delta": arguments}
        item["arguments"] = arguments
        yield {"type": "response.function_call_arguments.done", **place, "name": name, "arguments": arguments}
        yield from self._close(item, index)

    def _item(self, kind: str, **fields: Any) -> dict[str, Any]:
        item = {
            "id": self.new_id("item"),
            "object": "realtime.item",
            "type": kind,
            "status": "in_progress",
            **fields,
        }
        self.output.append(item)
        self.spoken[item["id"]] = Spoken()
        return item

    def _open(self, item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
        yield {"type": "response.output_item.added", "response_id": self.id, "output_index": index, "item": item}
        if self.conversation_id:
            yield {"type": "conversation.item.added", "previous_item_id": None, "item": item}

    def _close(self, item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
        item["status"] = "incomplete" if self.cancelled or self.incomplete else "completed"
        if self.conversation_id:
            yield {"type": "conversation.item.done", "previous_item_id": None, "item": item}
        yield {"type": "response.output_item.done", "response_id": self.id, "output_index": index, "item": item}

    def _usage(self) -> dict[str, Any]:
        calls = sum(len(orjson.dumps(item)) for item in self.output if item["type"] == "function_call")
        text = calls // TEXT_TOKEN_LETTERS
        audio = sum(spoken.ms for spoken in self.spoken.values()) // AUDIO_TOKEN_MS
        return {
            "total_tokens": self.input_tokens + text + audio,
            "input_tokens": self.input_tokens,
            "output_tokens": text + audio,
            "input_token_details": {
                "text_tokens": self.input_tokens,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 0,
            },
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }
