from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from gateway.realtime import DIALECTS, SessionConfig

OPENAI = DIALECTS["openai"]


def test_urls_and_keys():
    assert OPENAI.url("wss://h/v1/realtime?a=1", "gpt realtime") == "wss://h/v1/realtime?a=1&model=gpt+realtime"
    assert OPENAI.url("wss://h/v1/realtime", "") == "wss://h/v1/realtime"
    assert OPENAI.headers("k") == {"Authorization": "Bearer k"}
    assert OPENAI.headers("") == {}


def test_a_full_session_is_one_that_openai_takes():
    config = SessionConfig(
        instructions="be brief",
        voice="marin",
        speed=1.1,
        turn_detection={
            "type": "semantic_vad",
            "eagerness": "low",
            "create_response": True,
            "interrupt_response": True,
        },
        transcription={"model": "gpt-4o-transcribe"},
        noise_reduction="far_field",
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        max_output_tokens=500,
    )
    event = {"type": "session.update", "session": OPENAI.session(config)}
    checked = TypeAdapter(RealtimeClientEvent).validate_python(event).model_dump(exclude_none=True)
    assert checked["session"]["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert checked["session"]["max_output_tokens"] == 500
    assert checked["session"]["audio"]["output"]["speed"] == 1.1
