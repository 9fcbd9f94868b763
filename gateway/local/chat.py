"""A brain elsewhere: any endpoint that speaks OpenAI's chat completions, streamed, with tools."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

_END = re.compile(r"(?<=[.!?:;])\s+|\n+")

MAX_SECONDS = 60.0
"""For which an answer may take to begin, or to go on."""


@dataclass(frozen=True, slots=True)
class Chat:
    """`url` is what `/chat/completions` is added to; `key` is shown as a bearer token."""

    url: str
    model: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    """One piece of an answer: a sentence, or at the end the tools that are called (name, arguments)."""

    sentence: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


class ChatError(Exception):
    """No answer, or none that can be read."""


def request(
    chat: Chat, items: list[dict[str, Any]], instructions: str, tools: list[dict[str, Any]], choice: Any
) -> dict[str, Any]:
    """The body: a conversation of Realtime items as messages, and its tools."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    for item in items:
        messages += _messages_of(item)
    body: dict[str, Any] = {"model": chat.model, "messages": messages, "stream": True}
    if tools:
        names = ("name", "description", "parameters")
        body["tools"] = [
            {"type": "function", "function": {name: tool[name] for name in names if name in tool}} for tool in tools
        ]
        named = isinstance(choice, dict) and {"type": "function", "function": {"name": choice["name"]}}
        body["tool_choice"] = named or choice
    return body


def _messages_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    if item["type"] == "function_call":
        function = {"name": item["name"], "arguments": item.get("arguments") or "{}"}
        call = {"id": item["call_id"], "type": "function", "function": function}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}]
    if item["type"] == "function_call_output":
        return [{"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}]
    text = " ".join(str(part.get("text") or part.get("transcript") or "") for part in item.get("content") or [])
    return [{"role": item["role"], "content": text.strip()}] if text.strip() else []


async def think(chat: Chat, body: dict[str, Any], client: httpx.AsyncClient) -> AsyncIterator[Thought]:
    """Sentence by sentence, as they come. Raises ChatError."""
    headers = {"Authorization": f"Bearer {chat.key}"} if chat.key else {}
    url, said, calls = f"{chat.url.rstrip('/')}/chat/completions", "", dict[int, list[str]]()
    try:
        async with client.stream("POST", url, json=body, headers=headers, timeout=MAX_SECONDS) as answer:
            if not answer.is_success:
                raise ChatError(f"{url} answered with {answer.status_code}: {(await answer.aread())[:200]!r}")
            async for line in answer.aiter_lines():
                if not line.startswith("data:") or line[5:].strip() == "[DONE]":
                    continue
                delta = ((orjson.loads(line[5:]).get("choices") or [{}])[0]).get("delta") or {}
                *whole, said = _END.split(said + (delta.get("content") or ""))
                for sentence in filter(None, map(str.strip, whole)):
                    yield Thought(sentence)
                for call in delta.get("tool_calls") or []:
                    name, arguments = calls.setdefault(call.get("index", 0), ["", ""])
                    function = call.get("function") or {}
                    calls[call.get("index", 0)] = [
                        name + (function.get("name") or ""),
                        arguments + (function.get("arguments") or ""),
                    ]
    except (httpx.HTTPError, orjson.JSONDecodeError) as error:
        raise ChatError(f"{url}: {type(error).__name__}: {error}") from error
    if said.strip():
        yield Thought(said.strip())
    if calls:
        yield Thought(calls=tuple((name, _arguments(text)) for name, text in calls.values()))


def _arguments(text: str) -> dict[str, Any]:
    """What cannot be read is passed on, for whoever carries it out to complain."""
    try:
        arguments = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {"invalid": text}
    return arguments if isinstance(arguments, dict) else {"invalid": text}
