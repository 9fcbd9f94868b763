from gateway.agents import Agent, AgentDefinition
from gateway.bridge.briefing import session_config
from tests.bridge.test_call import FACTS


def test_the_agents_words_are_filled_in_and_its_wishes_are_passed_on():
    definition = AgentDefinition(
        instructions="You talk with {{caller_name}}.", voice="marin", speed=1.1, tools=("hang_up",), max_output_tokens=9
    )
    config = session_config(Agent("eve", "eve.yaml", definition, {}), FACTS, "audio/pcmu")
    assert (config.instructions, config.voice, config.speed) == ("You talk with Ann.", "marin", 1.1)
    assert (config.audio, config.model, config.max_output_tokens) == ("audio/pcmu", "eve", 9)
    assert [tool["name"] for tool in config.tools] == ["hang_up"]
    assert config.turn_detection["interrupt_response"] is True
