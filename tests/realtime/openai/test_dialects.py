from dataclasses import replace

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from gateway.realtime import DIALECTS, SETTINGS, SessionConfig
from gateway.realtime.openai.dialects import Dialect

OPENAI = DIALECTS["openai"]
FULL = SessionConfig(
    model="m",
    instructions="be brief",
    voice="marin",
    speed=1.1,
    tts_model="tts-2",
    temperature=0.4,
    turn_detection={"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True},
    transcription={"model": "gpt-4o-transcribe"},
    noise_reduction="far_field",
    tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    reasoning={"effort": "low"},
    max_output_tokens=500,
    truncation={"type": "retention_ratio", "retention_ratio": 0.8},
    provider_data={"stt": {"voice_profile": True}},
)


@pytest.mark.parametrize(
    ("name", "base", "url", "headers"),
    [
        ("openai", "wss://h/v1/realtime?a=1", "wss://h/v1/realtime?a=1&model=gpt%20x", {"Authorization": "Bearer k"}),
        ("azure", "wss://h/openai/v1/realtime", "wss://h/openai/v1/realtime?model=gpt%20x", {"api-key": "k"}),
        ("inworld", "wss://h/api/v1/realtime/session", "wss://h/api/v1/realtime/session?key=s1&protocol=realtime",
         {"Authorization": "Basic k"}),
        ("xai", "wss://h/v1/realtime", "wss://h/v1/realtime?model=gpt%20x", {"Authorization": "Bearer k"}),
    ],
)  # fmt: skip
def test_urls_and_keys(name, base, url, headers):
    dialect = DIALECTS[name]
    assert dialect.url(base, "gpt x", "s1") == url
    assert dialect.headers("k") == headers
    assert dialect.headers("") == {}
    assert OPENAI.url("wss://h/v1/realtime", "") == "wss://h/v1/realtime"


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_a_full_session_is_one_that_openai_takes(name):
    event = {"type": "session.update", "session": DIALECTS[name].session(FULL)}
    checked = TypeAdapter(RealtimeClientEvent).validate_python(event).model_dump(exclude_none=True)
    assert checked["session"] == event["session"]  # nothing in it that their models do not know
    assert checked["session"]["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert checked["session"]["audio"]["output"]["speed"] == 1.1
    assert checked["session"]["truncation"]["retention_ratio"] == 0.8
    assert not {"temperature", "providerData", "model"} & set(checked["session"])


def test_inworld_has_its_own_settings_where_its_pages_say():
    session = DIALECTS["inworld"].session(FULL)
    assert (session["model"], session["temperature"]) == ("m", 0.4)
    assert session["audio"]["output"]["model"] == "tts-2"
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["providerData"] == {"stt": {"voice_profile": True}, "auto_tool_response": False}
    assert "truncation" not in session
    assert DIALECTS["inworld"].session(replace(FULL, provider_data={"auto_tool_response": True}))["providerData"] == {
        "auto_tool_response": True
    }


def test_xai_has_voice_and_turns_at_the_top():
    session = DIALECTS["xai"].session(FULL)
    assert session["voice"] == "marin"
    assert session["turn_detection"]["create_response"] is True
    assert "turn_detection" not in session["audio"]["input"]
    assert "voice" not in session["audio"].get("output", {})
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


@pytest.mark.parametrize("name", DIALECTS)
def test_an_update_says_what_has_changed_and_no_more(name):
    dialect = DIALECTS[name]
    assert dialect.session(FULL, {"instructions"}) == {"type": "realtime", "instructions": "be brief"}
    assert dialect.session(replace(FULL, tools=[]), {"tools"}) == {"type": "realtime", "tools": []}
    assert set(dialect.takes) <= SETTINGS
    assert set(dialect.changes) <= SETTINGS
    assert dialect.changes <= dialect.takes


def test_defaults_are_left_to_the_provider():
    session = OPENAI.session(SessionConfig())
    assert session["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24000}}
    assert "max_output_tokens" not in session
    assert session["audio"]["input"]["turn_detection"] is None  # not what it would do by itself


def test_a_server_of_ones_own_is_a_few_lines():
    mine = Dialect("mine", auth="X-Key: {key}", query={"m": "{model}", "v": "2"}, extra={"tier": "gold"})
    assert mine.url("ws://h/", "a") == "ws://h/?m=a&v=2"
    assert mine.headers("k") == {"X-Key": "k"}
    assert mine.session(SessionConfig())["tier"] == "gold"
    assert "tier" not in mine.session(SessionConfig(), {"tools"})
