import pytest
from pydantic import ValidationError

from gateway.agents import Agent, AgentDefinition
from gateway.errors import ConfigError
from gateway.provider_rows import RealtimeProvider, check_agent, provider_of, wanted
from gateway.realtime import DIALECTS


def row(**fields):
    return RealtimeProvider.model_validate({"url": "wss://h/v1/realtime", **fields})


def agent(**fields):
    return Agent("eve", "eve.yaml", AgentDefinition.model_validate(fields), {})


PROVIDERS = {name: provider_of(name, row(dialect=name), lambda *_: "") for name in DIALECTS}


def test_a_known_dialect_by_its_name():
    provider = provider_of("a", row(dialect="inworld", key_env="K", connect_seconds=2), lambda name, key: name + key)
    assert (provider.key, provider.dialect.name, provider.connect_seconds) == ("Kkey_env", "inworld", 2.0)
    assert provider.longest_seconds == DIALECTS["inworld"].max_age_seconds
    assert provider_of("a", row(max_age_seconds=60), lambda *_: "").longest_seconds == 60


def test_one_of_ones_own_is_like_another_but_for_what_is_said():
    own = {"like": "xai", "auth": "X-Key: {key}", "takes": ["voice", "tools"], "extra": {"tier": 1}, "cancels": False}
    dialect = provider_of("mine", row(dialect=own), lambda *_: "").dialect
    assert (dialect.name, dialect.auth, dialect.cancels) == ("mine", "X-Key: {key}", False)
    assert dialect.places == DIALECTS["xai"].places
    assert dialect.takes == {"voice", "tools"}


@pytest.mark.parametrize(
    "dialect", ["esperanto", {"like": "esperanto"}, {"takes": ["taste"]}, {"auth": "just a key"}, {"colour": "red"}]
)
def test_what_cannot_be(dialect):
    with pytest.raises(ValidationError):
        row(dialect=dialect)


def test_every_provider_that_an_agent_names_is_known():
    one = agent(provider="openai", failover=["azure", {"provider": "local", "model": "x"}])
    assert wanted(one.definition) == {"provider": "openai", "failover.0": "azure", "failover.1": "local"}
    with pytest.raises(ConfigError, match=r"eve\.yaml: failover\.1: there is no provider 'local'; these are: openai"):
        check_agent(one, PROVIDERS)


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
        check_agent(agent(**settings), PROVIDERS)
    check_agent(agent(provider="inworld", temperature=0.5, model="m", failover=["openai"]), PROVIDERS)
