from gateway.agents import Agent, AgentDefinition
from gateway.bridge.session_config import session_config, variant_for
from tests.bridge.call.test_call import FACTS


def test_the_agents_words_are_filled_in_and_its_wishes_are_passed_on():
    definition = AgentDefinition(
        instructions="You talk with {{caller_name}}.", voice="marin", speed=1.1, tools=("hang_up",), max_output_tokens=9
    )
    config = session_config(Agent("eve", "eve.yaml", definition, {}), FACTS, "audio/pcmu")
    assert (config.instructions, config.voice, config.speed) == ("You talk with Ann.", "marin", 1.1)
    assert (config.audio, config.model, config.max_output_tokens) == ("audio/pcmu", "eve", 9)
    assert [tool["name"] for tool in config.tools] == ["hang_up"]
    assert config.turn_detection["interrupt_response"] is True


def test_a_caller_always_meets_the_same_variant_and_shares_are_kept():
    definition = AgentDefinition.model_validate(
        {"voice": "a", "greeting": "Hi.", "variants": {"plain": {"weight": 3}, "warm": {"weight": 1, "voice": "b"}}}
    )
    agent = Agent("eve", "eve.yaml", definition, {})
    met = [variant_for(agent, f"+1555{number:07}") for number in range(4000)]
    assert met == [variant_for(agent, f"+1555{number:07}") for number in range(4000)]
    assert {name: one.definition.voice for one, name in met} == {"plain": "a", "warm": "b"}
    assert {one.definition.greeting.say for one, _ in met} == {"Hi."}
    assert 0.22 < sum(name == "warm" for _, name in met) / 4000 < 0.28
    alone = Agent("eve", "eve.yaml", AgentDefinition(), {})
    assert variant_for(alone, "anybody") == (alone, "")
