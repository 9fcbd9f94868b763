import pytest

from gateway.agents import Agent, AgentDefinition
from gateway.bridge import lookup
from gateway.bridge.lookup import Found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", Found()),
        ("null", Found()),
        ("{}", Found()),
        (
            '{"variables": {"Name": "Ann  Lee\\n", "age": 41, "vip": true, "none": null}, "agent": "vip"}',
            Found({"name": "Ann Lee", "age": "41", "vip": "true", "none": ""}, "vip"),
        ),
        ('{"greeting": "Hello, Ann."}', Found(greeting="Hello, Ann.")),
    ],
)
def test_what_it_may_say(answer, found):
    assert lookup.read(answer) == found


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("sorry", "no JSON"),
        ("[1]", "no JSON object"),
        ('{"name": "Ann"}', "has 'name', where variables, agent and greeting are known"),
        ('{"variables": {"a b": 1}}', "cannot be called 'a b'"),
        ('{"variables": {"a": {"b": 1}}}', "variable a has to be text"),
        ('{"variables": [1]}', "has to be an object"),
        ('{"agent": 5}', "agent has to be text"),
    ],
)
def test_what_it_may_not_say(answer, says):
    with pytest.raises(ValueError, match=says):
        lookup.read(answer)


def test_another_greeting_is_said_as_the_agents_own_is():
    own = AgentDefinition(greeting={"say": "Hello.", "verbatim": True, "voice": "de"})
    said = lookup.greeted(Agent("eve", "eve.yaml", own, {}), "Hello {{caller}}.").definition.greeting
    assert (said.say, said.verbatim, said.voice) == ("Hello { {caller}}.", True, "de")
    plain = lookup.greeted(Agent("eve", "eve.yaml", AgentDefinition(greeting="Hi."), {}), "Hello.").definition.greeting
    assert (plain.say, plain.verbatim) == ("Hello.", False)
