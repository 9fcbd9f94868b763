"""After a call: a chat model says what it was about, fills in fields, and scores it. Into the record, and a webhook.

Entries of the outbox ask for it, so that a service that is away, or a node that dies, delays it and loses nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema
import orjson

from gateway import events
from gateway.agents import AfterRules
from gateway.delivery.courier import PermanentFailure
from gateway.delivery.webhooks import WebhookSettings, entries_for_summary
from gateway.errors import StoreUnavailable, plain
from gateway.store import Store

AFTER = "after"
"""Whom these entries are for."""

MOST_TEXT = 60_000
"""Characters of a transcript that the model is given: its end, where there is more."""

_TASK = "You are given the transcript of a telephone call between a caller and an agent. Answer with one JSON object."


@dataclass(frozen=True, slots=True)
class AfterSettings:
    """By agent; `keys` are secret."""

    rules: Mapping[str, AfterRules] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


class SummaryReceiver:
    """`settings` may be replaced. `again` asks for the record to be written once more where it was written already."""

    def __init__(
        self,
        settings: AfterSettings,
        webhooks: tuple[WebhookSettings, ...],
        store: Store,
        client: httpx.AsyncClient,
        again: Callable[[str], Awaitable[None]],
    ) -> None:
        self.settings, self._webhooks, self._store, self._client, self._again = settings, webhooks, store, client, again

    async def deliver(self, call_id: str, body: str) -> str:
        """`body` is the agent. Raises PermanentFailure."""
        rules = self.settings.rules.get(body)
        if rules is None:
            raise PermanentFailure(f"the agent {body} has no `after` any more")
        try:
            record = await self._store.calls.get(call_id)
            if record is None:
                raise PermanentFailure(f"Redis has no record of {call_id} any more")
            transcript = transcript_of(record["events"])
            if not transcript:
                return ""
            found = await self._ask(rules, transcript, self.settings.keys.get(body, ""))
            if not await self._store.calls.amend(call_id, found):
                return ""
            await self._store.outbox.add(entries_for_summary(self._webhooks, {**record, **found}, time.time()))
            await self._again(call_id)
        except StoreUnavailable as error:
            return str(error)
        except ValueError as error:
            return str(error)
        return ""

    async def _ask(self, rules: AfterRules, transcript: str, key: str) -> dict[str, Any]:
        """Raises ValueError, which says what is wrong with the answer; PermanentFailure for a key that is refused."""
        url, schema = f"{rules.chat.url.rstrip('/')}/chat/completions", schema_of(rules)
        wanted = {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}
        system = f"{_TASK} It has to fit this JSON schema: {orjson.dumps(schema).decode()}"
        body: dict[str, Any] = {
            "model": rules.chat.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": transcript}],
            "response_format": wanted,
        }
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            answer = await self._client.post(url, json=body, headers=headers, timeout=rules.seconds)
            if answer.status_code in (400, 422):  # servers that know no response_format
                del body["response_format"]
                answer = await self._client.post(url, json=body, headers=headers, timeout=rules.seconds)
        except httpx.HTTPError as error:
            raise ValueError(f"{url}: {plain(error)}") from error
        if answer.status_code in (401, 403, 404):
            raise PermanentFailure(f"{url} answered with {answer.status_code}: {answer.text[:200]}")
        if answer.status_code != 200:
            raise ValueError(f"{url} answered with {answer.status_code}: {answer.text[:200]}")
        try:
            content = str(answer.json()["choices"][0]["message"]["content"])
            return found_in(content, schema)
        except (KeyError, IndexError, TypeError, ValueError, jsonschema.ValidationError) as error:
            raise ValueError(f"{url}: its answer does not fit: {getattr(error, 'message', error)}") from error


def transcript_of(rows: list[dict[str, Any]]) -> str:
    """What was said, a line each."""
    said = [row["data"] for row in rows if row["type"] == events.Transcript.type]
    who = {"user": "Caller", "assistant": "Agent"}
    return "\n".join(f"{who.get(one['role'], one['role'])}: {one['text']}" for one in said)[-MOST_TEXT:]


def schema_of(rules: AfterRules) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if rules.summary:
        properties["summary"] = {"type": "string", "description": rules.summary}
    if rules.fields:
        properties["fields"] = {"type": "object", "properties": dict(rules.fields), "additionalProperties": False}
    if rules.score:
        properties["score"] = {"type": "number", "minimum": 0, "maximum": 10, "description": rules.score}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def found_in(content: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Of a model that may write more than the JSON. Raises ValueError, ValidationError."""
    inner = re.search(r"\{.*\}", content, re.DOTALL)
    found: dict[str, Any] = orjson.loads(inner[0] if inner else content)
    jsonschema.validate(found, schema)
    return found
