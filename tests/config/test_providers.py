import pytest
from pydantic import ValidationError

from gateway.agents import AgentDefinition
from gateway.config.providers import RealtimeProvider, provider_of, wanted
from gateway.realtime import DIALECTS


def row(**fields):
    return RealtimeProvider.model_validate({"url": "wss://h/v1/realtime", **fields})


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


def test_whom_an_agent_names():
    agent = AgentDefinition.model_validate(
        {"provider": "openai", "failover": ["azure", {"provider": "local", "model": "x"}]}
    )
    assert wanted(agent) == {"provider": "openai", "failover.0": "azure", "failover.1": "local"}
