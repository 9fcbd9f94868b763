"""The agent's end of a line with real legs; how it behaves in a call is in ../e2e/test_failover.py."""

import pytest

from gateway.agents import Agent
from gateway.bridge.provider_connection import RESTORE_SECONDS, ProviderConnection
from gateway.codecs import CODECS, g711
from gateway.realtime import Health, Provider
from tests.bridge.call.test_call import AGENT, FACTS
from tests.bridge.legs.test_sip_leg import BOTH, WIDE_OFFER, leg_for


class Switchboard:
    def __init__(self):
        self.providers = {"local": Provider("local", "ws://127.0.0.1:1/"), "b": Provider("b", "ws://127.0.0.1:2/")}
        self.health, self.pool = Health(lambda: 0.0), None


class Runner:
    info = FACTS


def agent(**update):
    definition = AGENT.definition.model_validate({**AGENT.definition.model_dump(), **update})
    return Agent("eve", AGENT.source, definition, AGENT.tools)


@pytest.mark.parametrize(
    ("audio", "offer", "codecs", "format_", "law"),
    [
        ("pcm", None, BOTH, "audio/pcm", None),
        ("g711", None, BOTH, "audio/pcmu", g711.ULAW),
        ("g711", WIDE_OFFER, (CODECS["G722"],), "audio/pcm", None),  # a trunk that speaks nothing else
    ],
)
async def test_audio_goes_as_it_is_where_that_can_be(audio, offer, codecs, format_, law):
    leg = leg_for(offer, codecs) if offer else leg_for(codecs=codecs)
    provider_connection = ProviderConnection(Runner(), Switchboard())
    provider_connection.hears(bytes(960))  # nobody is there yet
    client = provider_connection.client(agent(audio=audio), leg)
    assert client.choices[0].config.audio == format_
    assert provider_connection.law is law
    assert provider_connection.client(agent(), leg) is client


async def test_the_second_choice_has_a_model_and_a_voice_of_its_own():
    one = agent(model="m", voice="marin", failover=("b", {"provider": "local", "model": "n", "voice": "ash"}))
    choices = ProviderConnection(Runner(), Switchboard()).client(one, leg_for()).choices
    assert [(one.provider.name, one.config.model, one.config.voice) for one in choices] == [
        ("local", "m", "marin"), ("b", "", ""), ("local", "n", "ash"),
    ]  # fmt: skip
    assert len({one.config.instructions for one in choices}) == 1


async def test_a_queue_is_as_patient_in_mid_call():
    client = ProviderConnection(Runner(), Switchboard()).client(
        agent(on_provider_failure={"queue_seconds": 60}), leg_for()
    )
    assert client._restore_seconds == 60
    assert ProviderConnection(Runner(), Switchboard()).client(agent(), leg_for())._restore_seconds == RESTORE_SECONDS
