"""The agent's end of a line: whom it speaks through, how audio travels to them, and how they are found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gateway.agents import Agent
from gateway.bridge.application import Application, ApplicationRejected
from gateway.bridge.call.call import Call
from gateway.bridge.reasons import Reason
from gateway.bridge.session_config import choices
from gateway.codecs import Law, Resampler
from gateway.errors import GatewayError, ProviderError
from gateway.outcomes import Outcome
from gateway.realtime import Client, Event

if TYPE_CHECKING:
    from gateway.bridge.call_runner import CallRunner
    from gateway.bridge.legs.sip_leg import SipLeg
    from gateway.bridge.switchboard import Switchboard

RESTORE_SECONDS = 10.0
"""Least time for which a new session is sought where one broke in mid-call."""


def resampler(in_hz: int, out_hz: int) -> Callable[[bytes], bytes]:
    """For PCM16, little endian, of one stream."""
    stream = Resampler(in_hz, out_hz)
    return lambda audio: stream.push(np.frombuffer(audio[: len(audio) & ~1], "<i2")).tobytes()


class ProviderConnection:
    """One line's. `law` is what the provider speaks, where that is not PCM."""

    def __init__(self, runner: CallRunner, switchboard: Switchboard) -> None:
        self._runner, self._switchboard = runner, switchboard
        self._client: Client | None = None
        self.law: Law | None = None
        self.application: Application | None = None

    def client(self, agent: Agent, leg: SipLeg) -> Client:
        """Made once; no session is begun by that."""
        if self._client is None:
            info, switchboard, patience = (
                self._runner.info,
                self._switchboard,
                agent.definition.on_provider_failure.queue_seconds,
            )
            found = choices(agent, info, self._format(agent, leg), switchboard.providers)
            restore_seconds = max(RESTORE_SECONDS, patience)
            self._client = Client(
                found, self._said, switchboard.health, restore_seconds, switchboard.pool, resampler, agent
            )
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
        client.update(choices(agent, self._runner.info, audio, self._switchboard.providers), agent)

    async def accepted(self, agent: Agent, leg: SipLeg) -> Agent | None:
        """What the application makes of the agent; None where it does not want the call. Raises ApplicationSilent."""
        runner, switchboard = self._runner, self._switchboard
        secret = switchboard.settings.application_secrets.get(agent.name, "")
        self.application = Application(agent, switchboard.web, secret)
        security = "sdes" if leg.encrypted else "none"
        answer = await self.application.ask(runner.info.call_id, runner.info.headers, security)
        if isinstance(answer, ApplicationRejected):
            error, reason = GatewayError("the application rejected the call"), Reason(answer.status, Outcome.REJECTED)
            runner.feed(lambda call, now: call.refuse(error, reason, now))
            return None
        runner.configure(answer)
        return answer

    async def find(self, agent: Agent, leg: SipLeg) -> None:
        """Raises ProviderError where there is none, and nothing that the caller could be offered instead."""
        client, early = self.client(agent, leg), agent.definition.answer_within_seconds
        timer = early is not None and asyncio.get_running_loop().call_later(early, self._answer_early, leg)
        try:
            await client.open(agent.definition.on_provider_failure.queue_seconds)
        except ProviderError as error:
            problem, done = str(error), list[bool]()
            self._runner.feed(lambda call, now: done.append(call.setup.agent_missing(problem, now)))
            if done != [True]:
                raise
            return
        finally:
            if timer:
                timer.cancel()
        self._runner.feed(lambda call, now: call.setup.agent_ready(client.provider, now))

    def _answer_early(self, leg: SipLeg) -> None:
        self._runner.feed(lambda call, now: call.setup.answer_early(now))
        self._runner.talk(leg)

    def hears(self, audio: bytes) -> None:
        """The caller's voice, in the format of the session."""
        if self._client:
            self._client.append(audio)

    def close(self) -> None:
        """Also of a session that was being sought for a call that never began."""
        if self._client:
            self._client.close()

    def _said(self, event: Event) -> None:
        self._runner.feed(lambda call, now: Call.receive(call, event, now))
