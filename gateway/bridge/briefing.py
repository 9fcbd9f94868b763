"""What the provider is told of an agent when a call's session begins."""

from __future__ import annotations

from gateway.agents import Agent, expand
from gateway.bridge import tools
from gateway.bridge.barge_in import turn_detection
from gateway.bridge.facts import CallFacts
from gateway.realtime import SessionConfig


def session_config(agent: Agent, facts: CallFacts, audio: str) -> SessionConfig:
    """`audio` is a format of `gateway.realtime`."""
    definition = agent.definition
    return SessionConfig(
        audio=audio,
        model=definition.model or (agent.name if definition.provider == "local" else ""),
        instructions=expand(definition.instructions, facts.variables(agent.name)),
        voice=definition.voice,
        speed=definition.speed,
        turn_detection=turn_detection(definition),
        transcription=definition.transcription,
        noise_reduction=definition.noise_reduction,
        tools=tools.definitions(agent),
        max_output_tokens=definition.max_output_tokens,
    )
