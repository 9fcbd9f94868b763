"""What all calls of a node share: its settings, its SIP stack, its media clock and ports, its agents and providers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from httpx import AsyncClient
from numpy.typing import NDArray

from gateway.agents import Agent
from gateway.bridge.dial_plan import DialRule
from gateway.bridge.legs.media_access import MediaAccess
from gateway.bridge.legs.sip_leg import SipLeg
from gateway.bridge.media.announcement import CodedSounds
from gateway.bridge.media.batch_render import render
from gateway.bridge.media.batch_upsample import BatchUpsample
from gateway.bridge.media.latency_stats import DelayHistogram
from gateway.bridge.places import NOWHERE, Places
from gateway.bridge.reasons import Reason, reason_of
from gateway.bridge.router import Route
from gateway.codecs import hold_tune
from gateway.errors import NoSuchAgent
from gateway.hours import Hours
from gateway.outcomes import RETRY_AFTER
from gateway.prompts import Library, PromptSettings
from gateway.realtime import Health, Pool, Provider
from gateway.rtp import BatchTrigger, MediaClock, MediaSettings, PortPool
from gateway.sip import UasSession, UserAgent
from gateway.web import http_client


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """`codecs` in order of preference; the caller's audio goes to the provider in pieces of `chunk_ms`.

    `srtp` is off, optional (where the caller offers it) or required. `retry_after`: seconds by outcome. `ptime_ms` is
    what peers are asked to send. `recordings` is the folder for them. `prompts`, by agent,
    are PCM16 at 24 kHz: what is played when no provider is left. `application_secrets`,
    by agent, sign what applications are asked. `hold_audio`: int16 at 24 kHz, played in a loop. With `echo_guard` what
    a line sends back of the agent's words is kept from the agent.
    """

    routes: tuple[Route, ...] = ()
    hours: Mapping[str, Hours] = field(default_factory=dict)
    places: Places = NOWHERE
    dial_plan: tuple[DialRule, ...] = ()
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    chunk_ms: int = 20
    srtp: str = "optional"
    ptime_ms: int = 20
    node: str = field(default_factory=socket.gethostname)
    retry_after: Mapping[str, int] = field(default_factory=lambda: RETRY_AFTER)
    recordings: Path | None = None
    prompts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    application_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    comfort_noise_dbm0: float | None = None
    echo_guard: bool = True
    hold_audio: NDArray[np.int16] = field(default_factory=hold_tune, repr=False)


class Resources:
    """One node's. Made on the running loop."""

    def __init__(
        self,
        settings: BridgeSettings,
        media: MediaSettings,
        agents: Mapping[str, Agent],
        providers: Mapping[str, Provider],
        user_agent: UserAgent,
        library: Library | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.settings, self.media, self.user_agent = settings, media, user_agent
        self.library = library or Library(PromptSettings())
        self.agents, self.providers = agents, providers
        self.ports = PortPool(media.first_port, media.last_port, loop.time)
        self.access = MediaAccess(user_agent, self.ports)
        self.sounds = CodedSounds()
        self.clock: MediaClock[SipLeg] = MediaClock(render)
        self.health, self.pool = Health(loop.time), Pool()
        self.threads = ThreadPoolExecutor(1, "recorder")  # started with the first recording
        trigger = BatchTrigger(lambda: len(self.clock))
        self.uplink_delays = DelayHistogram()  # from the first packet of a batch to the last WebSocket that it went to
        self.upsample = BatchUpsample(lambda upsample: trigger.ask(self._measured(upsample)))

    def _measured(self, upsample: BatchUpsample) -> Callable[[], None]:
        now = asyncio.get_running_loop().time
        began = now()

        def flush() -> None:
            upsample.flush()
            self.uplink_delays.add(now() - began)

        return flush

    def use(self, settings: BridgeSettings, agents: Mapping[str, Agent]) -> None:
        """Of the settings what concerns routes and agents; calls in progress keep the agent that they have."""
        self.agents = agents
        self.settings = replace(
            self.settings,
            routes=settings.routes,
            hours=settings.hours,
            places=settings.places,
            dial_plan=settings.dial_plan,
            prompts=settings.prompts,
            application_secrets=settings.application_secrets,
        )

    @property
    def epoch(self) -> float:
        """What makes wall-clock seconds of the loop's, as the clock stands now: it may have been set."""
        return time.time() - asyncio.get_running_loop().time()

    @cached_property
    def web(self) -> AsyncClient:
        """For asking applications; made when the first is asked, for it costs some 20 ms."""
        return http_client()

    def agent(self, name: str) -> Agent:
        """Raises NoSuchAgent."""
        try:
            return self.agents[name]
        except KeyError:
            raise NoSuchAgent(name, list(self.agents)) from None

    def reason_of(self, error: BaseException) -> Reason:
        return reason_of(error, self.settings.retry_after)

    def reject(self, session: UasSession, reason: Reason) -> None:
        self.user_agent.act(lambda now: session.reject(reason.status, now, headers=reason.headers))

    async def close(self) -> None:
        if "web" in self.__dict__:
            await self.web.aclose()
        await self.library.close()
        await asyncio.to_thread(self.threads.shutdown)
