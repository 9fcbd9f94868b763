"""The served protocol, event by event; all that it sends has to pass OpenAI's own models."""

from base64 import b64decode, b64encode

import numpy as np
import orjson
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from gateway.local import Rule, Script
from gateway.local.session import Parts, Session

SERVER_EVENT = TypeAdapter(RealtimeServerEvent)
SCRIPT = Script((Rule(("hello",), "Hi there."), Rule(("hours",), calls="hours", then="From {opens}.")), {}, "What?")
LOUD, QUIET = np.full(24 * 32, 9000, np.int16), np.zeros(24 * 32, np.int16)  # 32 ms


class Client:
    """Sends events to a session and keeps what it answers. `hears` is what the ears make of any audio."""

    def __init__(self, hears="hello", **session):
        self.now, self.hears = 0.0, hears
        parts = Parts(
            SCRIPT,
            understand=lambda audio: self.hears,
            speak=lambda text, voice, speed, hz: np.zeros(hz, np.int16),
            detector=lambda: lambda window: float(abs(int(window[256])) > 1000),
        )
        self.session = Session("model", parts)
        self.events = self.take()
        if session:
            self.update(**session)

    def take(self):
        events, self.session.outbox = [orjson.loads(data) for data in self.session.outbox], []
        for event in events:
            SERVER_EVENT.validate_python(event)
        return events

    def send(self, kind, **fields):
        self.session.receive(orjson.dumps({"type": kind, "event_id": "mine", **fields}), self.now)
        return self.take()

    def update(self, **session):
        return self.send("session.update", session={"type": "realtime", **session})

    def speak(self, samples, windows=1):
        out = []
        for _ in range(windows):
            out += self.send("input_audio_buffer.append", audio=b64encode(samples.tobytes()).decode())
        return out

    def run(self, seconds=5.0):
        until = self.now + seconds
        while (deadline := self.session.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.session.expire(self.now)
        self.now = until
        return self.take()

    def error(self, kind, **fields):
        (event,) = self.send(kind, **fields)
        assert event["type"] == "error"
        assert event["error"]["event_id"] == "mine"
        return event["error"]["code"], event["error"]["param"]


def types(events):
    return [event["type"] for event in events]


def turn(client):
    return client.speak(LOUD, 10) + client.speak(QUIET, 18) + client.run()


def test_it_begins_with_session_and_conversation():
    assert types(Client().events) == ["session.created", "conversation.created"]


def test_an_update_changes_only_what_it_names():
    client = Client()
    (updated,) = client.update(instructions="be brief", audio={"input": {"transcription": {"model": "local"}}})
    session = updated["session"]
    assert (session["instructions"], session["model"]) == ("be brief", "model")
    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is True
    (again,) = client.update(audio={"input": {"turn_detection": None}})
    assert again["session"]["audio"]["input"]["turn_detection"] is None
    assert again["session"]["audio"]["input"]["transcription"] == {"model": "local"}


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "invalid_value", "session.audio.input.format"),
        (
            {"audio": {"input": {"turn_detection": {"type": "psychic"}}}},
            "invalid_value", "session.audio.input.turn_detection.type",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 7}}}},
            "invalid_value", "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "very"}}}},
            "invalid_value", "session.audio.input.turn_detection.eagerness",
        ),
        ({"instructions": 5}, "invalid_type", "session.instructions"),
        ({"output_modalities": ["smell"]}, "invalid_value", "session.output_modalities[0]"),
        ({"no_such": 1}, "unknown_parameter", "session.no_such"),
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "x": 1}}}}, "unknown_parameter",
         "session.audio.input.turn_detection.x"),
        ({"tool_choice": "sometimes"}, "invalid_value", "session.tool_choice"),
        ({"audio": {"output": {"speed": 9}}}, "invalid_value", "session.audio.output.speed"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ],
)  # fmt: skip
def test_an_update_that_is_wrong_changes_nothing(session, code, param):
    client = Client()
    assert client.error("session.update", session={"type": "realtime", "instructions": "x", **session}) == (code, param)
    (updated,) = client.update()
    assert updated["session"]["instructions"] == ""


@pytest.mark.parametrize(
    ("kind", "fields", "code", "param"),
    [
        ("session.update", {"session": []}, "invalid_type", "session"),
        ("session.update", {"session": {}, "extra": 1}, "unknown_parameter", "extra"),
        ("session.update", {"session": {"tools": "f"}}, "invalid_type", "session.tools"),
        ("session.update", {"session": {"audio": {"output": {"voice": 5}}}},
         "invalid_type", "session.audio.output.voice"),
        ("response.create", {"response": {"tools": [{"name": 5}]}}, "invalid_type", "response.tools[0].name"),
        ("response.create", {"response": {"input": ["x"]}}, "invalid_type", "response.input[0]"),
        ("response.create", {"response": {"input": [{"type": "item_reference", "id": "x"}]}},
         "item_reference_invalid_item_id", "response.input[0].id"),
        ("response.create", {"response": {"tool_choice": {"type": "function", "name": "x"}}},
         "invalid_value", "tool_choice"),
        ("response.create", {"response": {"metadata": 7}}, "invalid_type", "response.metadata"),
        ("response.create", {"response": {"max_output_tokens": "many"}}, "invalid_type", "response.max_output_tokens"),
        ("response.cancel", {"response_id": 7}, "invalid_type", "response_id"),
        ("conversation.item.create", {"item": {"type": "message", "role": "user", "content": ["x"]}},
         "invalid_type", "item.content[0]"),
        (
            "conversation.item.create",
            {"item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": 5}]}},
            "invalid_type", "item.content[0].text",
        ),
        ("conversation.item.create", {"item": {"type": "function_call", "call_id": 5, "name": "f"}},
         "invalid_type", "item.call_id"),
        ("conversation.item.create", {"item": {"type": "message", "id": 7, "role": "user", "content": []}},
         "invalid_type", "item.id"),
        (
            "conversation.item.create",
            {"item": {"type": "message", "role": "user", "content": []}, "previous_item_id": {}},
            "invalid_type", "previous_item_id",
        ),
        ("conversation.item.truncate", {"item_id": "x", "content_index": "0", "audio_end_ms": 0},
         "invalid_type", "content_index"),
        ("input_audio_buffer.append", {"audio": ["AAAA"]}, "invalid_type", "audio"),
        ("session.update", {}, "missing_required_parameter", "session"),
        ("no.such.event", {}, "invalid_value", "type"),
        ("input_audio_buffer.append", {}, "missing_required_parameter", "audio"),
        ("input_audio_buffer.append", {"audio": "A"}, "invalid_value", "audio"),
        ("input_audio_buffer.append", {"audio": "AAAA"}, "invalid_value", "audio"),
        ("input_audio_buffer.commit", {}, "input_audio_buffer_commit_empty", None),
        ("response.cancel", {}, "response_cancel_not_active", None),
        ("conversation.item.retrieve", {"item_id": "x"}, "item_retrieve_invalid_item_id", "item_id"),
        ("conversation.item.delete", {"item_id": "x"}, "item_delete_invalid_item_id", "item_id"),
        (
            "conversation.item.truncate", {"item_id": "x", "content_index": 0, "audio_end_ms": 0},
            "item_truncate_invalid_item_id", "item_id",
        ),
        ("conversation.item.create", {"item": {"type": "poem"}}, "invalid_value", "item.type"),
        ("conversation.item.create", {"item": {"type": "message"}}, "missing_required_parameter", "item.content"),
        (
            "conversation.item.create", {"item": {"type": "function_call_output", "call_id": "c"}},
            "missing_required_parameter", "item.output",
        ),
        ("response.create", {"response": "now"}, "invalid_type", "response"),
    ],
)  # fmt: skip
def test_errors_have_the_code_and_param_of_the_reference(kind, fields, code, param):
    assert Client().error(kind, **fields) == (code, param)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"type": 5}', b"\xff"])
def test_what_is_no_event_gets_an_error_and_the_session_goes_on(text):
    client = Client()
    client.session.receive(text, 0.0)
    assert types(client.take()) == ["error"]
    assert types(client.update()) == ["session.updated"]


def test_a_spoken_turn_in_its_order():
    client = Client(audio={"input": {"transcription": {"model": "local"}}})
    events = turn(client)
    head = [
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
        "conversation.item.added", "conversation.item.done",
        "conversation.item.input_audio_transcription.delta", "conversation.item.input_audio_transcription.completed",
        "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added",
    ]  # fmt: skip
    assert types(events)[: len(head)] == head
    assert types(events)[-1] == "response.done"
    assert len({event["item_id"] for event in events[:3]}) == 1
    transcript = next(event["transcript"] for event in events if event["type"].endswith("transcript.done"))
    assert transcript == "Hi there."
    audio = b"".join(b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta")
    assert len(audio) == 48000


def test_without_transcription_nobody_is_told_what_was_heard_but_it_is_understood():
    events = turn(Client())
    assert not [kind for kind in types(events) if "transcription" in kind]
    assert "Hi there." in orjson.dumps(events).decode()


def test_speaking_over_a_response_cancels_it():
    client = Client()
    client.send("response.create")
    events = client.speak(LOUD, 3)
    assert types(events)[0] == "input_audio_buffer.speech_started"
    assert (events[-1]["response"]["status"], events[-1]["response"]["status_details"]["reason"]) == (
        "cancelled",
        "turn_detected",
    )
    assert client.session.deadline() is None


def test_where_it_is_not_to_be_interrupted_it_is_not():
    client = Client(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    client.send("response.create")
    assert types(client.speak(LOUD, 3)) == ["input_audio_buffer.speech_started"]
    assert client.run()[-1]["response"]["status"] == "completed"


def test_semantic_turns_end_as_soon_as_a_phrase_is_whole():
    client = Client(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}})
    client.speak(LOUD, 10)
    events = client.speak(QUIET, 9)
    assert "input_audio_buffer.speech_stopped" in types(events)
    patient = Client(hears="", audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}})
    patient.speak(LOUD, 10)
    assert types(patient.speak(QUIET, 60)) == []
    assert "input_audio_buffer.speech_stopped" in types(patient.speak(QUIET, 4))


def test_without_turn_detection_the_client_commits_and_asks():
    client = Client(audio={"input": {"turn_detection": None}})
    assert client.speak(LOUD, 20) == []
    assert types(client.send("input_audio_buffer.commit")) == [
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
    ]  # fmt: skip
    client.send("response.create")
    assert client.run()[-1]["response"]["output"][0]["content"][0]["transcript"] == "Hi there."
    client.speak(LOUD, 20)
    assert types(client.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert client.error("input_audio_buffer.commit")[0] == "input_audio_buffer_commit_empty"


def test_truncation_is_checked_and_takes_the_words_back():
    client = Client()
    client.send("response.create")
    item = client.run()[-1]["response"]["output"][0]["id"]
    place = {"item_id": item, "content_index": 0}
    assert client.error("conversation.item.truncate", **place, audio_end_ms=1001) == ("invalid_value", "audio_end_ms")
    (truncated,) = client.send("conversation.item.truncate", **place, audio_end_ms=400)
    assert truncated["audio_end_ms"] == 400
    assert client.error("conversation.item.truncate", **place, audio_end_ms=401) == ("invalid_value", "audio_end_ms")
    (retrieved,) = client.send("conversation.item.retrieve", item_id=item)
    assert retrieved["item"]["content"] == [{"type": "output_audio", "transcript": ""}]
    assert types(client.send("conversation.item.delete", item_id=item)) == ["conversation.item.deleted"]


def test_only_what_was_spoken_can_be_truncated():
    client = Client()
    message = {"id": "m", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    client.send("conversation.item.create", item=message)
    assert (
        client.error("conversation.item.truncate", item_id="m", content_index=0, audio_end_ms=0)[0]
        == "unsupported_content_type"
    )
    assert client.error("conversation.item.create", item=message)[0] == "item_create_duplicate_item_id"


def test_a_function_is_called_and_its_answer_spoken():
    client = Client(hears="hours", tools=[{"type": "function", "name": "hours"}])
    done = turn(client)[-1]["response"]
    (call,) = done["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "hours", "{}")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"opens": "nine"}'}
    client.send("conversation.item.create", item=output)
    client.send("response.create")
    assert client.run()[-1]["response"]["output"][0]["content"][0]["transcript"] == "From nine."


def test_one_response_at_a_time_and_cancelling():
    client = Client()
    client.send("response.create", response={"metadata": {"a": "b"}})
    assert client.error("response.create")[0] == "conversation_already_has_active_response"
    assert client.error("response.cancel", response_id="resp_other")[0] == "response_cancel_not_active"
    done = client.send("response.cancel")[-1]["response"]
    assert (done["status_details"]["reason"], done["metadata"]) == ("client_cancelled", {"a": "b"})
    assert types(client.send("response.create"))[0] == "response.created"


def test_a_response_beside_the_conversation():
    client = Client()
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    client.send("response.create", response={"conversation": "none", "input": [message]})
    events = client.run()
    assert not [kind for kind in types(events) if kind.startswith("conversation.")]
    assert events[-1]["response"]["conversation_id"] is None
    assert client.error("conversation.item.retrieve", item_id=events[-1]["response"]["output"][0]["id"])[0]


def test_the_voice_stays_once_it_was_heard():
    client = Client()
    client.send("response.create")
    client.run()
    assert (
        client.error("session.update", session={"type": "realtime", "audio": {"output": {"voice": "en-gb"}}})[0]
        == "cannot_update_voice"
    )


def test_g711_in_and_out():
    client = Client(audio={"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcma"}}})
    events = client.send("response.create", response={"instructions": "Say exactly: hi"}) + client.run()
    audio = b"".join(b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta")
    assert (len(audio), set(audio)) == (8000, {0xD5})
    for _ in range(6):
        events = client.send("input_audio_buffer.append", audio=b64encode(b"\x00" * 256).decode())
    assert client.session._turns is not None
    assert client.session._turns.speaking


def test_items_are_put_where_they_are_wanted():
    client = Client()
    for name, before in (("b", None), ("a", "root"), ("c", "b")):
        item = {"id": name, "type": "message", "role": "system", "content": [{"type": "input_text", "text": name}]}
        event = {"item": item} | ({"previous_item_id": before} if before else {})
        added = client.send("conversation.item.create", **event)[0]
        assert added["previous_item_id"] == (None if before == "root" else before)
    assert [item["id"] for item in client.session._items] == ["a", "b", "c"]
    bad = {"type": "message", "role": "user", "content": []}
    assert client.error("conversation.item.create", item=bad, previous_item_id="zzz")[1] == "previous_item_id"


def test_who_says_nothing_is_asked():
    client = Client(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    client.send("response.create", response={"instructions": "Say exactly: hi"})  # 1 s of speech
    said = client.run(5.5)
    assert "input_audio_buffer.timeout_triggered" not in types(said)
    asked = client.run(1.0)
    assert types(asked)[:5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    done = next(event for event in asked + client.run(2) if event["type"] == "response.done")["response"]
    assert done["output"][0]["content"][0]["transcript"] == "Are you still there?"
    client.speak(LOUD, 10)  # now somebody is there
    assert "input_audio_buffer.timeout_triggered" not in types(client.run(30))


def test_idle_timeouts_have_a_range():
    turns = {"type": "server_vad", "idle_timeout_ms": 100}
    code, param = Client().error(
        "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": turns}}}
    )
    assert (code, param) == ("invalid_value", "session.audio.input.turn_detection.idle_timeout_ms")


@pytest.mark.parametrize("modalities", [["audio"], ["text"]])
def test_a_response_that_is_too_long_is_incomplete(modalities):
    client = Client(output_modalities=modalities)
    wanted = {"max_output_tokens": 5, "instructions": "Say exactly: " + "many words " * 9}
    events = client.send("response.create", response=wanted) + client.run()
    done = events[-1]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert done["output"][0]["status"] == "incomplete"
    content = done["output"][0]["content"][0]
    assert 0 < len(content.get("transcript") or content["text"]) < 30
    if modalities == ["audio"]:
        audio = b"".join(
            b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta"
        )
        assert len(audio) == 5 * 50 * 48


@pytest.mark.parametrize(
    ("given", "place", "value"),
    [
        ({"type": None, "voice": "en-gb"}, ("audio", "output", "voice"), "en-gb"),
        ({"type": None, "output_modalities": ["audio", "text"]}, ("output_modalities",), ["audio", "text"]),
        ({"type": None, "modalities": ["text"]}, ("output_modalities",), ["text"]),
        ({"type": None, "input_audio_format": "g711_ulaw"}, ("audio", "input", "format"), {"type": "audio/pcmu"}),
        ({"type": None, "turn_detection": None}, ("audio", "input", "turn_detection"), None),
        ({"type": None, "temperature": 0.8, "providerData": {"a": 1}}, ("temperature",), 0.8),
        ({"type": None, "audio": {"output": {"voice": {"id": "v"}}}}, ("audio", "output", "voice"), "v"),
    ],
)
def test_settings_as_the_clients_of_other_providers_spell_them(given, place, value):
    client = Client()
    del given["type"]
    client.session.receive(orjson.dumps({"type": "session.update", "session": given}), 0.0)
    (updated,) = [orjson.loads(data) for data in client.session.outbox]
    assert updated["type"] == "session.updated", updated
    found = updated["session"]
    for step in place:
        found = found[step]
    assert found == value


def test_a_bug_is_told_and_the_session_goes_on(monkeypatch):
    client = Client()
    monkeypatch.setattr(client.session, "_commit_item", lambda: 1 / 0)
    client.update(audio={"input": {"turn_detection": None}})
    client.speak(LOUD, 10)
    (event,) = client.send("input_audio_buffer.commit")
    assert (event["error"]["type"], event["error"]["code"]) == ("server_error", "internal_error")
    assert types(client.update()) == ["session.updated"]


TOOL = {"type": "function", "name": "hours", "parameters": {}}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "hours"}])
def test_a_function_that_has_to_be_called_is(choice):
    client = Client(tools=[TOOL])
    events = client.send("response.create", response={"tool_choice": choice}) + client.run()
    (done,) = [event for event in events if event["type"] == "response.done"]
    assert [(item["type"], item["name"]) for item in done["response"]["output"]] == [("function_call", "hours")]


def test_a_function_that_must_not_be_called_is_not():
    client = Client(tools=[TOOL], tool_choice="none")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hours"}]}
    client.send("conversation.item.create", item=item)
    events = client.send("response.create") + client.run()
    assert "response.function_call_arguments.done" not in types(events)


def test_a_response_beside_the_conversation_runs_while_another_does():
    client = Client()
    item = {"id": "one", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    client.send("conversation.item.create", item=item)
    main = client.send("response.create")
    assert client.error("response.create")[0] == "conversation_already_has_active_response"
    aside = {"conversation": "none", "input": [{"type": "item_reference", "id": "one"}], "output_modalities": ["text"],
             "metadata": {"topic": "x"}}  # fmt: skip
    events = main + client.send("response.create", response=aside) + client.run()
    done = [event["response"] for event in events if event["type"] == "response.done"]
    assert {one["conversation_id"] is None for one in done} == {True, False}
    beside = next(one for one in done if one["conversation_id"] is None)
    assert (beside["metadata"], beside["output"][0]["content"][0]["text"]) == ({"topic": "x"}, "Hi there.")
    nothing = client.send("response.create", response={"conversation": "none", "input": []}) + client.run()
    assert "What?" in str(nothing)


def test_clearing_what_is_played():
    client = Client()
    client.send("response.create")
    events = client.send("output_audio_buffer.clear")
    assert types(events)[-1] == "output_audio_buffer.cleared"
    assert next(event for event in events if event["type"] == "response.done")["response"]["status"] == "cancelled"
    assert types(client.send("output_audio_buffer.clear")) == ["output_audio_buffer.cleared"]


def test_a_transcription_session_listens_and_says_nothing():
    client = Client()
    session = Session("model", client.session._parts, kind="transcription")
    session.outbox = []
    client.session = session
    transcription = {"input": {"transcription": {"model": "x"}}}
    events = client.send("session.update", session={"type": "transcription", "audio": transcription})
    assert types(events) == ["session.updated"]
    heard = turn(client)
    assert "conversation.item.input_audio_transcription.completed" in types(heard)
    assert not any(kind.startswith("response.") for kind in types(heard))
    assert client.error("response.create")[0] == "invalid_value"
