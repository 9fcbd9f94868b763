"""Whatever a client sends is taken or refused with a field, and never raises anything else."""

import contextlib

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter, ValidationError

from gateway.local.checks import EventError
from gateway.local.client_events import KINDS, check, decode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["session", "item", "response", "audio", "item_id", "content_index", "event_id", "x"])
INNER = st.sampled_from(
    ["type", "audio", "tools", "content", "role", "input", "voice", "id", "tool_choice", "metadata"]
)


@pytest.mark.parametrize(("text", "code"), [("{", "invalid_json"), ("[1]", "invalid_type"), ("5", "invalid_type")])
def test_what_is_no_event(text, code):
    with pytest.raises(EventError) as caught:
        decode(text)
    assert caught.value.code == code
    assert decode(b'{"type": "x"}') == {"type": "x"}


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(FIELDS, JSON | st.dictionaries(INNER, JSON, max_size=3), max_size=4))
def test_anything_is_taken_or_refused(kind, fields):
    with contextlib.suppress(EventError):
        check(orjson.loads(orjson.dumps({**fields, "type": kind})))


def test_what_openais_own_models_call_good_is_taken():
    official = TypeAdapter(RealtimeClientEvent)
    for event in (
        {"type": "session.update", "session": {"type": "realtime", "tools": [], "tracing": "auto", "include": []}},
        {"type": "response.create", "response": {"conversation": "none", "input": [], "metadata": {"a": "b"}}},
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "o"}},
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
        {"type": "output_audio_buffer.clear"},
    ):
        official.validate_python(event)
        check(event)
    with pytest.raises(ValidationError):
        official.validate_python({"type": "no.such"})
