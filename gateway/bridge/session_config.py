"""Whom an agent can speak through, and what they are told when a call's session begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import accumulate

from gateway.agents import Agent, expand
from gateway.bridge.call.barge_in import turn_detection
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.tools import built_in as tools
from gateway.realtime import Choice, Provider, SessionConfig


def variant_for(agent: Agent, caller: str) -> tuple[Agent, str]:
    """The agent as this caller always meets it, and the name of that variant; empty where there is but one."""
    variants = agent.definition.variants
    if not variants:
        return agent, ""
    chance = int.from_bytes(sha256(f"{agent.name} {caller}".encode()).digest()[:8]) / 2**64
    ends = list(accumulate(one.weight for one in variants.values()))
    place = next(number for number, end in enumerate(ends) if chance * ends[-1] < end)
    name, own = list(variants.items())[place]
    wanted = own.model_fields_set - {"weight"}
    changes = {key: getattr(own, key) for key in wanted if getattr(own, key) is not None}
    return replace(agent, definition=agent.definition.model_copy(update=changes)), name


def choices(agent: Agent, info: CallInfo, audio: str, providers: Mapping[str, Provider]) -> list[Choice]:
    """In the order in which they are asked. `audio` is a format of `gateway.realtime`."""
    first = session_config(agent, info, audio)
    found = [Choice(providers[agent.definition.provider], first)]
    for row in agent.definition.failover:
        config = replace(
            first,
            model=row.model or (agent.name if row.provider == "local" else ""),
            voice=row.voice
            if row.voice is not None
            else ""
            if row.provider != agent.definition.provider
            else first.voice,
            transcription=row.transcription or first.transcription,
        )
        found.append(Choice(providers[row.provider], config))
    return found


def session_config(agent: Agent, info: CallInfo, audio: str) -> SessionConfig:
    """`audio` is a format of `gateway.realtime`."""
    definition = agent.definition
    return SessionConfig(
        audio=audio,
        model=definition.model or (agent.name if definition.provider == "local" else ""),
        instructions=expand(definition.instructions, info.variables(agent.name)),
        voice=definition.voice,
        speed=definition.speed,
        turn_detection=turn_detection(definition),
        transcription=definition.transcription,
        noise_reduction=definition.noise_reduction,
        modalities=definition.modalities,
        tts_model=definition.tts_model,
        temperature=definition.temperature,
        reasoning=definition.reasoning,
        truncation=definition.truncation,
        provider_data=definition.provider_data,
        tools=tools.definitions(agent),
        tool_choice=definition.tool_choice,
        max_output_tokens=definition.max_output_tokens,
    )
