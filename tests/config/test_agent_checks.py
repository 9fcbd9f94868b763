import pytest

from gateway.agents import Agent, AgentDefinition, Agents
from gateway.config.agent_checks import check_agents
from gateway.errors import ConfigError
from gateway.realtime import DIALECTS, Provider

PROVIDERS = {name: Provider(name, "wss://h/", dialect=dialect) for name, dialect in DIALECTS.items()}


def agent(**fields):
    return Agent("eve", "eve.yaml", AgentDefinition.model_validate({"provider": "openai", **fields}), {})


def check(one, recordings=False):
    check_agents(Agents({"eve": one, "bob": agent()}), PROVIDERS, recordings)


def test_every_provider_that_an_agent_names_is_known():
    one = agent(provider="openai", failover=["azure", {"provider": "local", "model": "x"}])
    with pytest.raises(ConfigError, match=r"eve\.yaml: failover\.1: there is no provider 'local'; these are: openai"):
        check(one)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"provider": "openai", "temperature": 0.5}, "temperature"),
        ({"provider": "xai", "noise_reduction": "near_field"}, "noise_reduction"),
        ({"provider": "azure", "provider_data": {}}, "provider_data"),
    ],
)
def test_a_setting_that_the_provider_does_not_know_is_told_before_any_call(settings, wrong):
    with pytest.raises(ConfigError, match=rf"eve\.yaml: {wrong}: provider .* has no such setting"):
        check(agent(**settings))
    check(agent(provider="inworld", temperature=0.5, model="m", failover=["openai"]))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"update_agent": ["zoe"]}, r"update_agent: there is no agent 'zoe'; these are: eve, bob"),
        ({"rules": [{"after_seconds": 1, "agent": "zoe"}]}, r"rules\.0: there is no agent 'zoe'"),
        ({"rules": [{"after_seconds": 1, "settings": {"speed": 9}}]}, r"rules\.0\.settings: speed: "),
        ({"rules": [{"hears": "x", "settings": {"provider": "azure"}}]}, r"rules\.0\.settings: provider: cannot be"),
        ({"recording": {"start": "answer"}}, r"recording: the gateway's file names no folder"),
    ],
)
def test_what_stands_elsewhere_has_to_be_there(fields, says):
    with pytest.raises(ConfigError, match=says):
        check(agent(**fields))


def test_what_is_there():
    rules = [{"after_seconds": 1, "agent": "bob", "settings": {"speed": 1.2, "tools": ["clock_now"]}}]
    check(agent(rules=rules, update_agent=["bob"], recording={"start": "answer"}), recordings=True)
