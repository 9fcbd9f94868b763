"""The client's side of a conversation, event by event. All that is sent has to be what OpenAI's own models take."""

from base64 import b64encode
from dataclasses import replace

import orjson
import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from gateway.realtime import (
    DIALECTS,
    AudioDelta,
    Heard,
    ProviderFault,
    Ready,
    ResponseDone,
    SessionConfig,
    Severity,
    SpeechStarted,
    ToolCall,
    Transcript,
)
from gateway.realtime.openai.session import Session

CLIENT_EVENT = TypeAdapter(RealtimeClientEvent)
VAD = {"type": "server_vad", "create_response": True, "interrupt_response": True}


class Talk:
    """A session and what it sent."""

    def __init__(self, turn_detection=VAD, ready=True, dialect=DIALECTS["openai"]):
        self.session = Session(dialect, SessionConfig(turn_detection=turn_detection))
        if ready:
            self.hears("session.created", session={"id": "sess_1"})
            self.hears("session.updated", session={})
            self.sent()

    def hears(self, kind, **fields):
        return self.session.receive({"type": kind, "event_id": "e", **fields})

    def sent(self):
        events, self.session.outbox = [orjson.loads(text) for text in self.session.outbox], []
        for event in events:
            CLIENT_EVENT.validate_python(event)
        return events

    def types(self):
        return [event["type"] for event in self.sent()]

    def audio(self, ms, item="item_1", response="resp_1", complete=False):
        delta = b64encode(bytes(48 * ms)).decode()
        events = self.hears(
            "response.output_audio.delta", response_id=response, item_id=item, content_index=0, delta=delta
        )
        if complete:
            self.hears("response.output_audio.done", response_id=response, item_id=item, content_index=0)
        return events

    def done(self, response="resp_1", status="completed", output=()):
        return self.hears("response.done", response={"id": response, "status": status, "output": list(output)})


def call(call_id, name="f"):
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}


def test_it_configures_itself_and_is_ready_when_that_was_taken():
    talk = Talk(ready=False)
    assert talk.hears("session.created", session={"id": "sess_1"}) == []
    assert talk.types() == ["session.update"]
    assert talk.hears("conversation.created", conversation={"id": "conv_1"}) == []
    assert talk.hears("session.updated", session={}) == [Ready("sess_1")]
    assert talk.types() == []


def test_a_server_that_begins_with_the_conversation_is_fine_too():
    talk = Talk(ready=False)
    talk.hears("conversation.created", conversation={"id": "conv_1"})
    assert talk.types() == ["session.update"]


def test_settings_that_are_refused_are_fatal():
    talk = Talk(ready=False)
    talk.hears("session.created", session={"id": "s"})
    (fault,) = talk.hears("error", error={"type": "invalid_request_error", "code": "invalid_value", "message": "no"})
    assert (fault.severity, fault.code, fault.message) == (Severity.FATAL, "invalid_value", "no")


def test_an_append_is_exactly_its_json():
    event = orjson.loads(Talk().session.append(b"\1\2\3"))
    assert CLIENT_EVENT.validate_python(event).audio == "AQID"


def test_audio_and_transcripts_in_both_spellings():
    talk = Talk()
    assert talk.audio(1) == [AudioDelta("item_1", 0, bytes(48))]
    assert talk.hears("response.audio.delta", item_id="i", content_index=0, delta="AAA=") == [
        AudioDelta("i", 0, b"\0\0")
    ]
    said = talk.hears("response.output_audio_transcript.done", item_id="i", transcript=" Hello ")
    assert said == [Transcript("assistant", "i", "Hello")]
    heard = talk.hears("conversation.item.input_audio_transcription.completed", item_id="u", transcript="Hi\n")
    assert heard == [Transcript("user", "u", "Hi")]


def test_interrupting_truncates_by_what_was_heard_and_never_more_than_was_received():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    talk.audio(1000)
    assert talk.hears("input_audio_buffer.speech_started", audio_start_ms=40) == [SpeechStarted(40)]
    assert talk.session.interrupt([Heard("item_1", 0, 340)]) == [Heard("item_1", 0, 340)]
    (truncate,) = talk.sent()  # and no cancel: the server does that by itself
    assert (truncate["type"], truncate["audio_end_ms"]) == ("conversation.item.truncate", 340)
    assert talk.audio(500) == []  # late audio of what was interrupted
    talk.session.interrupt([Heard("item_1", 0, 9999)])
    assert [event["audio_end_ms"] for event in talk.sent()] == [1000]


def test_truncation_is_owed_also_when_the_response_is_long_done():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    talk.audio(3000, complete=True)
    talk.done()
    talk.session.interrupt([Heard("item_1", 0, 1200)])
    assert [(event["type"], event.get("audio_end_ms")) for event in talk.sent()] == [
        ("conversation.item.truncate", 1200)
    ]


def test_what_was_heard_to_its_end_is_left_alone_and_what_was_never_begun_is_deleted():
    talk = Talk()
    talk.audio(100, item="whole", complete=True)
    talk.audio(100, item="unheard", complete=True)
    talk.session.interrupt([Heard("whole", 0, 100), Heard("unheard", 0, 0)])
    assert [(event["type"], event["item_id"]) for event in talk.sent()] == [("conversation.item.delete", "unheard")]


@pytest.mark.parametrize(
    ("turn_detection", "by_speech"), [(None, True), ({**VAD, "interrupt_response": False}, True), (VAD, False)]
)
def test_the_response_is_cancelled_where_the_server_does_not_do_it(turn_detection, by_speech):
    talk = Talk(turn_detection)
    talk.hears("response.created", response={"id": "resp_1"})
    talk.session.interrupt([], by_speech)
    assert [(event["type"], event["response_id"]) for event in talk.sent()] == [("response.cancel", "resp_1")]


def test_only_one_response_at_a_time_the_next_waits():
    talk = Talk()
    talk.session.create_response("first")
    talk.session.create_response("second")
    assert [event["response"]["instructions"] for event in talk.sent()] == ["first"]
    talk.hears("response.created", response={"id": "resp_1"})
    talk.done()
    assert [event["response"]["instructions"] for event in talk.sent()] == ["second"]


def test_when_the_servers_own_turn_came_first_ours_is_asked_for_again():
    talk = Talk()
    talk.session.create_response("greet")
    (create,) = talk.sent()
    talk.hears(
        "error",
        error={"code": "conversation_already_has_active_response", "message": "", "event_id": create["event_id"]},
    )
    assert talk.types() == []
    talk.done("resp_other")
    assert [event["response"]["instructions"] for event in talk.sent()] == ["greet"]


def test_a_callers_new_turn_takes_the_place_of_a_response_that_is_owed():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    talk.session.create_response()
    talk.session.interrupt([])
    talk.done(status="cancelled")
    assert talk.types() == []


def test_tools_are_run_once_and_answered_with_one_response():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    (done,) = talk.done(output=[call("a"), call("b"), {"type": "message"}])
    assert done.calls == (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    assert talk.done(output=[call("a")])[0].calls == ()
    talk.session.tool_output("a", "1")
    assert talk.types() == ["conversation.item.create"]
    talk.session.tool_output("b", "2")
    assert talk.types() == ["conversation.item.create", "response.create"]
    talk.session.tool_output("b", "again")
    assert talk.types() == []


def test_a_cancelled_response_calls_nothing():
    talk = Talk()
    assert talk.done(status="cancelled", output=[call("a")])[0].calls == ()


def test_while_the_caller_speaks_the_server_will_answer_by_itself():
    talk = Talk()
    talk.done(output=[call("a")])
    talk.hears("input_audio_buffer.speech_started", audio_start_ms=0)
    talk.session.tool_output("a", "1")
    assert talk.types() == ["conversation.item.create"]


def test_a_failed_response_says_why():
    (done,) = Talk().hears(
        "response.done",
        response={"id": "r", "status": "failed", "status_details": {"error": {"message": "overloaded"}}, "usage": None},
    )
    assert done == ResponseDone("r", "failed", (), "overloaded", {})


@pytest.mark.parametrize(
    "event",
    [
        {}, {"type": None}, {"type": "response.done"},
        {"type": "response.done", "response": {"output": [{}], "usage": None}},
        {"type": "response.output_audio.delta"}, {"type": "error"}, {"type": "ping", "timestamp": 1},
        {"type": "input_audio_buffer.speech_started"}, {"type": "response.created"},
        {"type": "conversation.item.input_audio_transcription.completed", "transcript": None},
    ],
)  # fmt: skip
def test_events_with_holes_in_them_do_no_harm(event):
    talk = Talk()
    talk.session.receive(event)
    assert talk.audio(1)


def test_audio_that_is_not_base64_is_a_fault_of_the_turn():
    (fault,) = Talk().hears("response.output_audio.delta", item_id="i", delta="A")
    assert isinstance(fault, ProviderFault)
    assert fault.severity is Severity.TURN


def test_what_is_unknown_is_counted():
    talk = Talk()
    talk.hears("brand.new")
    talk.hears("brand.new")
    assert talk.session.unknown == {"brand.new": 2}


def test_text_goes_in_as_an_item():
    talk = Talk()
    talk.session.add_text("[DTMF] 1")
    (event,) = talk.sent()
    assert event["item"] == {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "[DTMF] 1"}]}


def test_a_sentence_is_unfinished_until_its_audio_has_all_come():
    talk = Talk()
    assert not talk.session.unfinished
    talk.hears("response.created", response={"id": "resp_1"})
    talk.audio(100, item="i1")
    assert talk.session.unfinished
    talk.audio(100, item="i1", complete=True)
    assert not talk.session.unfinished
    talk.audio(100, item="i2")
    assert talk.session.unfinished
    talk.session.interrupt([])
    assert not talk.session.unfinished  # of our own will


def test_a_long_conversation_does_not_grow():
    talk = Talk()
    for number in range(1000):
        talk.audio(20, item=f"item_{number}", complete=True)
        talk.session.add_text("x")
        call = {"type": "function_call", "call_id": f"c{number}", "name": "n", "arguments": "{}"}
        talk.done(output=[call])
        talk.session.tool_output(f"c{number}", "done", respond=False)
        talk.sent()
    held = [value for value in vars(talk.session).values() if isinstance(value, dict | set | list)]
    assert max(map(len, held)) <= 64
    talk.audio(100, item="last")
    talk.session.interrupt([Heard("last", 0, 40)])
    assert "conversation.item.truncate" in talk.types()


@pytest.mark.parametrize(
    ("events", "owed"),
    [
        ([], None),
        ([("input_audio_buffer.speech_started", {}), ("input_audio_buffer.speech_stopped", {})], {}),
        ([("input_audio_buffer.speech_stopped", {}), ("input_audio_buffer.speech_started", {})], None),
        ([("response.created", {"response": {"id": "r"}})], {}),
        ([("response.created", {"response": {"id": "r"}}), ("response.done", {"response": {"id": "r"}})], None),
    ],
)
def test_what_another_session_would_have_to_begin_with(events, owed):
    talk = Talk()
    for kind, fields in events:
        talk.session.receive({"type": kind, **fields})
    assert talk.session.owed == owed


def test_a_request_of_ours_is_owed_with_its_words_until_all_of_it_has_come():
    talk = Talk()
    talk.session.create_response("Say hello.")
    assert talk.session.owed == {"instructions": "Say hello."}
    talk.session.receive({"type": "response.created", "response": {"id": "r1"}})
    talk.audio(100, item="i1", response="r1")
    assert talk.session.owed == {"instructions": "Say hello."}  # cut in the middle
    talk.session.receive({"type": "response.output_audio.done", "item_id": "i1", "content_index": 0})
    assert talk.session.owed is None


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        (DIALECTS["openai"], ["conversation.item.truncate"]),
        (DIALECTS["inworld"], ["output_audio_buffer.clear", "conversation.item.truncate"]),
        (DIALECTS["xai"], ["response.cancel", "conversation.item.truncate"]),
        (replace(DIALECTS["openai"], truncates=False), []),
    ],
)
def test_who_is_told_what_when_the_caller_interrupts(dialect, sent):
    talk = Talk(dialect=dialect)
    talk.hears("response.created", response={"id": "resp_1"})
    talk.audio(500)
    talk.session.interrupt([Heard("item_1", 0, 200)])
    assert talk.types() == sent


def test_what_a_provider_knows_of_the_voice_stays_with_the_words():
    talk = Talk()
    profile = {"voiceProfile": {"emotion": [{"label": "calm", "confidence": 0.9}]}}
    kind = "conversation.item.input_audio_transcription.completed"
    (heard,) = talk.hears(kind, item_id="u", transcript="hello", providerData=profile)
    assert heard == Transcript("user", "u", "hello", profile)


def test_the_words_that_were_heard_of_a_sentence():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    talk.audio(1000)
    talk.hears("response.output_audio_transcript.delta", item_id="item_1", delta="one two three four")
    talk.session.interrupt([Heard("item_1", 0, 500)])
    assert talk.session.heard_of("item_1") == "one two"
    assert talk.session.heard_of("nothing") == ""


WRONG = ["text", 7, None, True, [], ["x"], {}, {"x": 1}, 1e400, float("nan")]
FIELDS = {
    "session.created": ["session"],
    "session.updated": ["session"],
    "response.created": ["response"],
    "response.done": ["response"],
    "response.output_item.added": ["item"],
    "response.output_item.done": ["item"],
    "response.output_audio.delta": ["delta", "item_id", "content_index", "response_id"],
    "response.output_audio.done": ["item_id"],
    "response.output_audio_transcript.delta": ["delta", "item_id"],
    "response.output_audio_transcript.done": ["transcript", "item_id", "providerData"],
    "conversation.item.input_audio_transcription.completed": ["transcript", "item_id"],
    "input_audio_buffer.speech_started": ["audio_start_ms"],
    "input_audio_buffer.speech_stopped": ["audio_end_ms"],
    "input_audio_buffer.committed": ["item_id"],
    "response.function_call_arguments.done": ["call_id", "name", "arguments"],
    "error": ["error"],
}
INNER = {
    "error": ["type", "code", "message", "param", "event_id"],
    "response": ["id", "status", "status_details", "output", "usage", "conversation_id"],
    "item": ["type", "call_id", "name", "arguments"],
    "session": ["id", "audio", "input_audio_format"],
}


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("kind", FIELDS)
def test_a_field_of_another_type_is_one_that_is_not_there(kind, ready):
    for value in WRONG:
        talk = Talk(ready=ready)
        for name in FIELDS[kind]:
            talk.session.receive({"type": kind, name: value})
            for inner in INNER.get(name, ()):
                talk.session.receive({"type": kind, name: {inner: value}})
                talk.session.receive({"type": kind, name: {inner: {"error": value, "reason": value}}})
        talk.session.receive({"type": value})
        if not ready:
            continue
        talk.session.create_response()
        talk.hears("response.created", response={"id": "after"})
        assert talk.audio(1, item="after", response="after")[0].audio  # the conversation goes on
        talk.done("after")


def test_audio_of_what_was_interrupted_is_never_heard_however_late_it_comes():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    assert talk.audio(100)
    talk.hears("input_audio_buffer.speech_started", audio_start_ms=0)
    talk.session.interrupt([Heard("item_1", 0, 50)])
    talk.done(status="cancelled")
    assert talk.audio(20) == []  # after its end
    late = {"content_index": 0, "delta": b64encode(bytes(96)).decode()}
    assert talk.hears("response.output_audio.delta", **late) == []  # without a response
    assert talk.hears("response.output_audio.delta", item_id="item_1", response_id="other", **late) == []
    talk.hears("input_audio_buffer.speech_stopped", audio_end_ms=0)
    talk.hears("response.created", response={"id": "resp_2"})
    assert talk.audio(20, item="item_2", response="resp_2")
    assert talk.hears("response.output_audio.delta", item_id="item_2", **late)


def test_a_server_whose_responses_have_no_ids_is_interrupted_too():
    talk = Talk()
    late = {"item_id": "a", "content_index": 0, "delta": b64encode(bytes(96)).decode()}
    talk.hears("response.created", response={})
    assert talk.hears("response.output_audio.delta", **late)
    talk.session.interrupt([], by_speech=False)
    (cancel,) = talk.sent()
    assert "response_id" not in cancel
    assert talk.hears("response.output_audio.delta", **late) == []
    talk.hears("response.done", response={"status": "cancelled"})
    talk.hears("response.created", response={})
    assert talk.hears("response.output_audio.delta", **(late | {"item_id": "b"}))


TOLD = {
    "arguments": [("response.function_call_arguments.done", {"call_id": "c", "name": "f", "arguments": '{"a":1}'})],
    "item done": [("response.output_item.done", {"item": call("c") | {"arguments": '{"a":1}'}})],
    "name before": [
        ("response.output_item.added", {"item": call("c") | {"arguments": ""}}),
        ("response.function_call_arguments.done", {"call_id": "c", "arguments": '{"a":1}'}),
    ],
    "all": [
        ("response.output_item.added", {"item": call("c") | {"arguments": ""}}),
        ("response.function_call_arguments.done", {"call_id": "c", "name": "f", "arguments": '{"a":1}'}),
        ("response.output_item.done", {"item": call("c") | {"arguments": '{"a":1}'}}),
    ],
}


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("output", [[], [call("c") | {"arguments": '{"a":1}'}]])
def test_a_function_is_run_once_whatever_tells_of_it(told, output):
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    for kind, fields in TOLD[told]:
        assert talk.hears(kind, **fields) == []
    (done,) = talk.done(output=output)
    assert done.calls == (ToolCall("c", "f", '{"a":1}'),)
    assert talk.done(output=output)[0].calls == ()
    talk.hears("response.created", response={"id": "resp_2"})
    for kind, fields in TOLD[told]:
        talk.hears(kind, **fields)
    assert talk.done("resp_2", output=output)[0].calls == ()


def test_of_a_response_that_was_cancelled_nothing_is_run():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    talk.hears(*TOLD["arguments"][0][:1], **TOLD["arguments"][0][1])
    assert talk.done(status="cancelled")[0].calls == ()


def test_a_response_beside_the_conversation_leaves_the_one_in_it_alone():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1", "conversation_id": "conv"})
    talk.session.respond({"conversation": "none", "output_modalities": ["text"]})
    assert talk.types() == ["response.create"]  # it does not wait
    talk.hears("response.created", response={"id": "aside", "conversation_id": None})
    (done,) = talk.done("aside")
    assert (done.spoke, talk.session.waiting) == (True, True)
    assert talk.audio(20)
    talk.done()
    assert not talk.session.busy


@pytest.mark.parametrize(
    ("error", "about"),
    [
        ({"type": "invalid_request_error", "param": "session.audio.input.turn_detection"}, "session.update"),
        ({"type": "invalid_request_error", "message": "no"}, "session.update"),
        ({"type": "server_error", "message": "no"}, ""),
        ({"type": "invalid_request_error", "param": "item.content"}, "conversation.item.create"),
    ],
)
def test_a_refusal_that_does_not_say_of_what(error, about):
    talk = Talk()
    talk.session.update(SessionConfig(instructions="new"))
    (fault,) = talk.hears("error", error=error)
    assert fault.about == about


def test_a_probe_is_answered_by_an_update_or_by_an_error_and_neither_means_anything():
    for answer in ({"type": "session.updated"}, {"type": "error", "error": {"type": "invalid_request_error"}}):
        talk = Talk()
        talk.session.probe()
        talk.session.probe()
        (event,) = talk.sent()
        assert event["session"] == {"type": "realtime"}
        told = talk.session.receive(answer)
        assert all(isinstance(one, ProviderFault) and one.severity is Severity.BENIGN for one in told)
        talk.session.probe()
        assert len(talk.sent()) == 1


@pytest.mark.parametrize(
    ("told", "rates", "problem"),
    [
        ({}, (24000, 24000), ""),
        ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 16000}}}}, (24000, 16000), ""),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}, (8000, 24000), ""),
        ({"output_audio_format": "pcm16"}, (24000, 24000), ""),
        ({"output_audio_format": "g711_ulaw"}, None, "audio/pcmu"),
        ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 12345}}}}, None, "12345"),
    ],
)
def test_the_rates_that_the_server_has_in_truth(told, rates, problem):
    talk = Talk(ready=False)
    talk.hears("session.created", session={"id": "s"})
    (answer,) = talk.hears("session.updated", session=told)
    if problem:
        assert answer.severity is Severity.FATAL
        assert problem in answer.message
        return
    assert answer == Ready("s")
    assert (talk.session.input_hz, talk.session.output_hz) == rates
    talk.hears("response.created", response={"id": "resp_1"})
    talk.audio(100)
    talk.session.interrupt([Heard("item_1", 0, 10_000)])
    cut = next(event for event in talk.sent() if event["type"] == "conversation.item.truncate")
    assert cut["audio_end_ms"] == 100 * 24000 // rates[1]


def test_nothing_came_of_a_response_or_something_did():
    talk = Talk()
    talk.hears("response.created", response={"id": "resp_1"})
    error = {"code": "insufficient_quota", "message": "no money"}
    (done,) = talk.hears(
        "response.done", response={"id": "resp_1", "status": "failed", "status_details": {"error": error}}
    )
    assert (done.spoke, done.code, done.problem) == (False, "insufficient_quota", "no money")
    talk.hears("response.created", response={"id": "resp_2"})
    talk.audio(20, response="resp_2")
    assert talk.done("resp_2", status="incomplete")[0].spoke


def test_who_answers_and_interrupts_is_as_the_server_was_told_last():
    talk = Talk()
    ours = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    talk.session.update(SessionConfig(turn_detection=ours))
    talk.hears("input_audio_buffer.speech_stopped", audio_end_ms=10)
    assert talk.session.answer_due  # the update is not answered: the server does as it did
    talk.hears("session.updated", session={})
    talk.hears("input_audio_buffer.speech_started", audio_start_ms=20)
    talk.hears("input_audio_buffer.speech_stopped", audio_end_ms=30)
    assert not talk.session.answer_due
