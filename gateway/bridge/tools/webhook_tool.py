"""Tools that somebody else's HTTP server carries out: signed, with a time limit, and tried again without harm.

The signature is that of Standard Webhooks (github.com/standard-webhooks); the body is JSON: `call_id`, `caller`,
`called`, `tool` and `arguments`. What comes back, JSON or text, is what the model gets.
"""

from __future__ import annotations

import asyncio
import random
from base64 import b64decode
from collections.abc import Awaitable, Callable, Container, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from gateway.agents import CallContext, WebhookRow
from gateway.bridge.tools.schema import checked
from gateway.errors import ToolError
from gateway.pacing import backoff

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that the model is given."""

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What is worth another try (RFC 9110 section 15)."""

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # s, twice as long with every try


class WebhookTool:
    """One of an agent's. `client` is shared by all."""

    is_async = True

    def __init__(self, name: str, row: WebhookRow, secret: str, client: httpx.AsyncClient) -> None:
        """Raises ValueError where the secret is not base64."""
        self.name, self._row, self._client = name, row, client
        if secret and not b64decode(secret.removeprefix("whsec_"), validate=True):
            raise ValueError("it is empty")
        self._signer = Webhook(secret) if secret else None
        parameters = {"type": "object", "properties": {}, **row.parameters}
        self.definition: dict[str, Any] = {
            "type": "function",
            "name": name,
            "description": row.description,
            "parameters": parameters,
        }

    def bind(self, arguments: str, context: CallContext, call_id: str) -> Callable[[], Awaitable[Any]]:
        """`call_id` is the function call's, by which a second try is known. Raises ToolError."""
        given = checked(self.name, self.definition["parameters"], arguments)
        body = {
            "call_id": context.call_id,
            "caller": context.caller.uri,
            "called": context.called.uri,
            "tool": self.name,
            "arguments": given,
        }
        return lambda: self._ask(orjson.dumps(body).decode(), f"{context.call_id}-{call_id}")

    async def _ask(self, body: str, key: str) -> Any:
        """Raises ToolError."""
        row = self._row
        try:
            return _read(
                await post(
                    self._client, row.url, body, lambda: self._headers(body, key), row.retries + 1, row.timeout_seconds
                )
            )
        except NotPosted as error:
            raise ToolError(self.name, f"{row.url} {error}") from error

    def _headers(self, body: str, key: str) -> dict[str, str]:
        return {"Idempotency-Key": key, **self._row.headers, **signed(self._signer, key, body)}


class NotPosted(Exception):
    """What became of the last try."""


async def post(
    client: httpx.AsyncClient,
    url: str,
    body: str,
    headers: Callable[[], Mapping[str, str]],
    tries: int,
    seconds: float,
    again: Container[int] = AGAIN,
) -> httpx.Response:
    """Post JSON until a 2xx takes it; `headers` of each try, `again` are the statuses after which to try again.

    Raises NotPosted.
    """
    problem = ""
    for attempt in range(tries):
        if attempt:
            await asyncio.sleep(backoff(attempt, FIRST_WAIT, LONGEST_WAIT, random.random(), spread=0.25))
        try:
            answer = await client.post(url, content=body, headers=headers(), timeout=seconds)
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__}: {error}".rstrip(": ")
            continue
        if answer.is_success:
            return answer
        problem = f"answered with {answer.status_code}"
        if answer.status_code not in again:
            break
    raise NotPosted(problem)


def signed(signer: Webhook | None, message_id: str, body: str) -> dict[str, str]:
    """The headers of a request with that JSON as its body, after Standard Webhooks where there is a signer."""
    headers = {"Content-Type": "application/json"}
    if signer:
        now = datetime.now(UTC)
        headers["webhook-id"], headers["webhook-timestamp"] = message_id, str(int(now.timestamp()))
        headers["webhook-signature"] = signer.sign(message_id, now, body)
    return headers


def _read(answer: httpx.Response) -> Any:
    if len(answer.content) > MAX_ANSWER:
        return answer.text[:MAX_ANSWER]
    if "json" in answer.headers.get("Content-Type", ""):
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            pass
    return answer.text
