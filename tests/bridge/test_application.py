import pytest
from openai.types.realtime import RealtimeSessionCreateRequest

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.application import with_session
from gateway.errors import BadCommand

AGENT = Agent("eve", "eve.yaml", AgentDefinition(voice="eve", tools=("hang_up",), provider="acme"), {})
TOOL = {"type": "function", "name": "lookup", "parameters": {"type": "object", "properties": {}}}


def test_a_session_object_becomes_the_agents_settings():
    session = {
        "type": "realtime", "model": "gpt-realtime", "instructions": "Be brief.", "tools": [TOOL],
        "output_modalities": ["audio"], "max_output_tokens": "inf", "tool_choice": "auto",
        "audio": {
            "input": {
                "turn_detection": {"type": "semantic_vad", "eagerness": "low"}, "transcription": {"model": "whisper-1"},
                "noise_reduction": {"type": "near_field"},
            },
            "output": {"voice": "marin", "speed": 1.1},
        },
    }  # fmt: skip
    RealtimeSessionCreateRequest.model_validate(session)
    agent = with_session(AGENT, session)
    found = agent.definition
    assert (found.model, found.instructions, found.voice, found.speed) == ("gpt-realtime", "Be brief.", "marin", 1.1)
    assert (found.turn_detection.type, found.turn_detection.eagerness) == ("semantic_vad", "low")
    assert (found.transcription, found.noise_reduction) == ({"model": "whisper-1"}, "near_field")
    assert found.tools == ("hang_up", "lookup")
    assert agent.tools["lookup"].definition is TOOL


def test_what_it_leaves_out_is_as_the_file_says():
    agent = with_session(AGENT, {"type": "realtime"})
    assert (agent.definition.voice, agent.definition.tools) == ("eve", ("hang_up",))
    voice = {"audio": {"output": {"voice": {"id": "voice_1"}}}}
    assert with_session(AGENT, voice).definition.voice == "voice_1"


@pytest.mark.parametrize(
    ("session", "field"),
    [
        ({"audio": {"output": {"speed": 9}}}, "speed"),
        ({"tools": "x"}, "tools"),
        ({"tools": [{"type": "mcp"}]}, "tools.0"),
        ({"audio": {"input": {"turn_detection": {"type": "guess"}}}}, "turn_detection.type"),
    ],
)
def test_what_cannot_be_is_named(session, field):
    with pytest.raises(BadCommand) as caught:
        with_session(AGENT, session)
    assert caught.value.field == field
