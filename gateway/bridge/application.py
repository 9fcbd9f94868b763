"""A call whose agent is settled by somebody else's program: asked by a webhook, answered by accept or reject.

The webhook `realtime.call.incoming`, its signature (Standard Webhooks) and what is answered to it are those of OpenAI's
SIP connector (platform.openai.com/docs/guides/realtime-sip), so that programs written for it work here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
import orjson
from pydantic import ValidationError
from standardwebhooks import Webhook

from gateway.agents import Agent, AgentDefinition, AnyTool
from gateway.bridge.tools.application_tool import ApplicationTool
from gateway.bridge.tools.webhook_tool import NotPosted, post, signed
from gateway.errors import ApplicationSilent, BadCommand

TRIES, TIMEOUT_SECONDS = 3, 5.0
_HIDDEN = {"authorization", "proxy-authorization"}


@dataclass(frozen=True, slots=True)
class ApplicationRejected:
    """The application does not want the call: the SIP status that it said."""

    status: int


class Application:
    """One call's. `ask` waits; `accept` and `reject` are what it waits for."""

    def __init__(self, agent: Agent, client: httpx.AsyncClient, secret: str) -> None:
        assert agent.definition.application is not None
        self._agent, self._row = agent, agent.definition.application
        self._client, self._signer = client, Webhook(secret) if secret else None
        self._answer: asyncio.Future[Agent | ApplicationRejected] = asyncio.get_running_loop().create_future()

    async def ask(self, call_id: str, headers: Mapping[str, str], security: str) -> Agent | ApplicationRejected:
        """The agent as the application wants it. Raises ApplicationSilent."""
        await self._tell(call_id, headers, security)
        try:
            async with asyncio.timeout(self._row.seconds):
                return await self._answer
        except TimeoutError as error:
            raise ApplicationSilent(
                self._row.url, f"neither accepted nor rejected in {self._row.seconds:g} s"
            ) from error

    def accept(self, session: Mapping[str, Any]) -> bool:
        """False where the call does not wait for it any more. Raises BadCommand."""
        if self._answer.done():
            return False
        self._answer.set_result(with_session(self._agent, session))
        return True

    def reject(self, status: int) -> bool:
        if self._answer.done():
            return False
        self._answer.set_result(ApplicationRejected(status))
        return True

    async def _tell(self, call_id: str, invite: Mapping[str, str], security: str) -> None:
        event_id = f"evt_{secrets.token_hex(12)}"
        body = orjson.dumps(
            {
                "id": event_id,
                "object": "event",
                "created_at": int(time.time()),
                "type": "realtime.call.incoming",
                "data": {
                    "call_id": call_id,
                    "sip_headers": [
                        {"name": name, "value": value} for name, value in invite.items() if name not in _HIDDEN
                    ],
                    "sip_media_security": security,
                },
            }
        ).decode()
        sign = partial(signed, self._signer, event_id, body)
        try:
            await post(self._client, self._row.url, body, sign, TRIES, TIMEOUT_SECONDS, again=range(300, 600))
        except NotPosted as error:
            raise ApplicationSilent(self._row.url, str(error)) from error


def with_session(agent: Agent, session: Mapping[str, Any]) -> Agent:
    """The agent with what a Realtime session object says. Raises BadCommand for what cannot be."""
    audio = session.get("audio") or {}
    heard, spoken = audio.get("input") or {}, audio.get("output") or {}
    noise = heard.get("noise_reduction")
    found = {
        "model": session.get("model"),
        "instructions": session.get("instructions"),
        "voice": spoken.get("voice"),
        "speed": spoken.get("speed"),
        "turn_detection": heard.get("turn_detection"),
        "transcription": heard.get("transcription"),
        "noise_reduction": noise.get("type") if isinstance(noise, dict) else None,
        "modalities": session.get("output_modalities"),
        "reasoning": session.get("reasoning"),
        "truncation": session.get("truncation"),
        "max_output_tokens": session.get("max_output_tokens"),
        "tool_choice": session.get("tool_choice"),
    }
    tools = _tools(session.get("tools") or [])
    changes = {name: value for name, value in found.items() if value is not None}
    voice = changes.get("voice")
    if isinstance(voice, dict):
        changes["voice"] = str(voice.get("id") or "")
    if agent.definition.provider == "local":
        changes.pop("model", None)  # there the model is the agent
    whole = agent.definition.model_dump(exclude_unset=True) | changes
    whole["tools"] = (*agent.definition.tools, *tools)
    try:
        definition = AgentDefinition.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadCommand(".".join(map(str, first["loc"])) or "session", first["msg"]) from error
    return replace(agent, definition=definition, tools={**agent.tools, **tools})


def _tools(rows: Any) -> dict[str, AnyTool]:
    if not isinstance(rows, list):
        raise BadCommand("tools", "has to be a list")
    found: dict[str, AnyTool] = {}
    for number, row in enumerate(rows):
        name = row.get("name") if isinstance(row, dict) and row.get("type") == "function" else None
        if not isinstance(name, str) or not name:
            raise BadCommand(f"tools.{number}", "has to be a function with a name")
        found[name] = ApplicationTool(name, row)
    return found
