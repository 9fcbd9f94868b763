"""The agent's end of a line: whom it speaks through, how audio travels to them, and how they are found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from gateway.agents import Agent
from gateway.bridge.application import Application, ApplicationRejected
from gateway.bridge.call.call import Call
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.legs.sip_leg import SipLeg
from gateway.bridge.reasons import Reason
from gateway.bridge.resources import Resources
from gateway.bridge.session_config import choices
from gateway.codecs import Law, Resampler
from gateway.errors import GatewayError, ProviderError
from gateway.outcomes import Outcome
from gateway.realtime import Choice, Client, Event

RESTORE_SECONDS = 10.0
"""Least time for which a new session is sought where one broke in mid-call."""


def resampler(in_hz: int, out_hz: int) -> Callable[[bytes], bytes]:
    """For PCM16, little endian, of one stream."""
    stream = Resampler(in_hz, out_hz)
    return lambda audio: stream.push(np.frombuffer(audio[: len(audio) & ~1], "<i2")).tobytes()


T = TypeVar("T")


class Owner(Protocol):
    """Whose provider it is: `gateway.bridge.call_runner`."""

    @property
    def info(self) -> CallInfo: ...
    def feed(self, action: Callable[[Call, float], T]) -> T: ...
    def start_media(self, leg: SipLeg) -> None: ...
    def set_agent(self, agent: Agent) -> None: ...


class ProviderConnection:
    """One call's. `law` is what the provider speaks, where that is not PCM."""

    def __init__(self, owner: Owner, resources: Resources) -> None:
        self._owner, self._resources = owner, resources
        self._client: Client | None = None
        self.law: Law | None = None
        self.application: Application | None = None
        self._closed, self._answers = False, True

    def client(self, agent: Agent, leg: SipLeg) -> Client:
        """Made once; no session is begun by that."""
        if self._client is None:
            info, of = self._owner.info, self._resources
            found = self._choices(agent, self._format(agent, leg))
            seconds = max(RESTORE_SECONDS, agent.definition.on_provider_failure.queue_seconds)
            self._client = Client(found, self._said, of.health, seconds, of.pool, resampler, agent)
            self._client.log = self._client.log.bind(call_id=info.call_id)
        return self._client

    def _format(self, agent: Agent, leg: SipLeg) -> str:
        """G.711 as it is spoken on the telephone, where that is wanted."""
        sound = leg.spoken.sound
        if agent.definition.audio == "pcm" or not isinstance(sound, Law):
            return "audio/pcm"
        self.law = sound
        leg.pass_on(sound)
        return f"audio/{sound.name.lower()}"

    def configure(self, agent: Agent, leg: SipLeg) -> None:
        """The conversation goes on with this agent's settings."""
        client = self.client(agent, leg)
        audio = client.choices[0].config.audio
        client.update(self._choices(agent, audio), agent)

    def _choices(self, agent: Agent, audio: str) -> list[Choice]:
        found = choices(agent, self._owner.info, audio, self._resources.providers)
        if self._answers:
            return found
        silent = {"create_response": False, "interrupt_response": False}
        configs = [replace(one.config, turn_detection={**(one.config.turn_detection or {}), **silent}) for one in found]
        return [replace(one, config=config) for one, config in zip(found, configs, strict=True)]

    def answer_turns(self, on: bool, agent: Agent, leg: SipLeg) -> None:
        """Whether the agent answers when the caller has spoken, or only listens."""
        self._answers = on
        self.configure(agent, leg)

    async def accepted(self, agent: Agent, leg: SipLeg) -> Agent | None:
        """What the application makes of the agent; None where it does not want the call. Raises ApplicationSilent."""
        owner = self._owner
        secret = self._resources.settings.application_secrets.get(agent.name, "")
        self.application = Application(agent, self._resources.web, secret)
        security = "sdes" if leg.encrypted else "none"
        answer = await self.application.ask(owner.info.call_id, owner.info.headers, security)
        if isinstance(answer, ApplicationRejected):
            error, reason = GatewayError("the application rejected the call"), Reason(answer.status, Outcome.REJECTED)
            owner.feed(lambda call, now: call.refuse(error, reason, now))
            return None
        owner.set_agent(answer)
        return answer

    async def find(self, agent: Agent, leg: SipLeg) -> None:
        """Raises ProviderError where there is none, and nothing that the caller could be offered instead."""
        client, early = self.client(agent, leg), agent.definition.answer_within_seconds
        timer = early is not None and asyncio.get_running_loop().call_later(early, self._answer_early)
        try:
            await client.open(agent.definition.on_provider_failure.queue_seconds)
        except ProviderError as error:
            problem = str(error)
            if self._closed:  # the call went somewhere else meanwhile
                return
            if self._owner.feed(lambda call, now: call.setup.agent_missing(problem, now)):
                return
            raise
        finally:
            if timer:
                timer.cancel()
        if self._closed:
            return
        self._owner.feed(lambda call, now: call.setup.agent_ready(client.provider, now))

    def _answer_early(self) -> None:
        self._owner.feed(lambda call, now: call.setup.answer_early(now))

    def hears(self, audio: bytes) -> None:
        """The caller's voice, in the format of the session."""
        if self._client:
            self._client.append(audio)

    def close(self) -> None:
        """Also of a session that was being sought for a call that never began."""
        self._closed = True
        if self._client:
            self._client.close()

    def _said(self, event: Event) -> None:
        if not self._closed:
            self._owner.feed(lambda call, now: Call.receive(call, event, now))
