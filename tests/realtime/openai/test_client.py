"""The client against servers that answer wrongly, over real sockets."""

import asyncio
import contextlib
import http
import itertools
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha1

import orjson
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from gateway.bridge.provider_connection import resampler
from gateway.errors import ProviderRefused, ProviderUnreachable
from gateway.realtime import (
    AudioDelta,
    Broken,
    Choice,
    Client,
    Health,
    Lost,
    Pool,
    Provider,
    ProviderFault,
    Renewed,
    ResponseDone,
    Restored,
    Reverted,
    SessionConfig,
    SpeechStarted,
    Transcript,
    Unreached,
)
from gateway.realtime.openai import client as module
from gateway.realtime.openai.dialects import MAX_FRAME
from tests.stub import frame


async def talk(websocket, then=None):
    await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
    await websocket.recv()
    await websocket.send(orjson.dumps({"type": "session.updated", "session": {}}), text=True)
    if then:
        await then(websocket)
    await websocket.wait_closed()


class Server:
    def __init__(self, handler, **options):
        self.handler, self.options = handler, options

    async def __aenter__(self):
        self.server = await serve(self.handler, "127.0.0.1", 0, **self.options)
        return f"ws://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}/v1/realtime"

    async def __aexit__(self, *_):
        self.server.close(close_connections=True)
        await self.server.wait_closed()


def client(url, seconds=5.0, events=None, key=""):
    provider = Provider("acme", url, key, connect_seconds=seconds)
    return Client(
        [Choice(provider, SessionConfig(model="m"))], (events if events is not None else []).append, None, 0.0
    )


@pytest.mark.parametrize(
    ("status", "kind", "fix"),
    [
        (401, ProviderRefused, "key"), (404, ProviderRefused, "url"), (429, ProviderUnreachable, "limit"),
        (503, ProviderUnreachable, "503"),
    ],
)  # fmt: skip
async def test_a_handshake_that_is_refused(status, kind, fix):
    def refuse(connection, request):
        return connection.respond(http.HTTPStatus(status), "no\n")

    async with Server(talk, process_request=refuse) as url:
        with pytest.raises(kind, match=f"acme at {url}.*{fix}") as caught:
            await client(url, 0.5, key="hush").open()
        assert "hush" not in str(caught.value)


async def test_a_server_that_closes_at_once():
    async def close(websocket):
        await websocket.close(1013, "cold start")

    async with Server(close) as url:
        with pytest.raises(ProviderUnreachable, match="1013: cold start"):
            await client(url).open()


async def test_a_server_that_never_says_ready():
    async def mute(websocket):
        await websocket.wait_closed()

    async with Server(mute) as url:
        with pytest.raises(ProviderUnreachable, match=r"not ready within 0\.3 s"):
            await client(url, 0.3).open()


async def test_a_server_that_refuses_the_session():
    async def refuse(websocket):
        await websocket.send('{"type":"session.created","session":{"id":"s"}}')
        await websocket.recv()
        await websocket.send('{"type":"error","error":{"code":"invalid_value","message":"unknown voice"}}')
        await websocket.wait_closed()

    async with Server(refuse) as url:
        with pytest.raises(ProviderRefused, match="unknown voice"):
            await client(url).open()


async def test_a_server_that_is_none():
    async def http_only(reader, writer):
        await reader.readline()
        writer.write(b"220 smtp.example ready\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(http_only, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ProviderUnreachable, match=r"acme at .*"):
        await client(f"ws://127.0.0.1:{port}/v1").open()
    server.close()
    await server.wait_closed()
    with pytest.raises(ProviderUnreachable, match="cannot be reached"):
        await client(f"ws://127.0.0.1:{port}/v1").open()
    with pytest.raises(ProviderRefused, match="not a ws: or wss: URL"):
        await client("http://127.0.0.1/v1").open()


async def test_a_socket_that_is_lost_is_told_once_and_garbage_is_passed_over():
    events = []

    async def then(websocket):
        listener.close(close_connections=False)  # nobody else is let in
        await websocket.send("not json")
        await websocket.send("[1]")
        await websocket.close(1001, "bye")

    server = Server(lambda websocket: talk(websocket, then))
    async with server as url:
        listener = server.server
        one = client(url, events=events)
        await one.open()
        async with asyncio.timeout(5):
            while not events:
                await asyncio.sleep(0.01)
        problem = "the provider closed the connection (code 1001: bye)"
        async with asyncio.timeout(5):
            while not isinstance(events[-1], Lost):
                await asyncio.sleep(0.01)
        assert events == [Broken("acme", problem), *events[1:-1], Lost(events[-1].problem)]
        assert all(isinstance(event, Unreached) for event in events[1:-1])
        assert events[-1].problem.startswith(problem)
        assert one.garbage == 2
        one.append(b"x")  # nobody is there: no error


async def test_a_server_that_does_not_read_costs_audio_and_not_memory():
    over = asyncio.Event()

    async def deaf(websocket):
        websocket.transport.pause_reading()
        await over.wait()

    async with Server(lambda websocket: talk(websocket, deaf), close_timeout=0.1) as url:
        one = client(url)
        await one.open()
        deadline = time.monotonic() + 20
        while not one.dropped and time.monotonic() < deadline:
            for _ in range(200):
                one.append(bytes(960))
            await asyncio.sleep(0)
        assert one.dropped > 0
        one.close()
        over.set()


async def test_closing_ourselves_is_not_a_loss():
    events = []
    async with Server(talk) as url:
        one = client(url, events=events)
        await one.open()
        one.close()
        await asyncio.sleep(0.05)
        assert events == []


class Scripted:
    """A provider that notes what each session is sent, and lets a test say and end things."""

    def __init__(self):
        self.sessions, self.sockets = [], []
        self.answers, self.refuses = True, None

    async def __call__(self, websocket):
        sent = []
        self.sessions.append(sent)
        self.sockets.append(websocket)
        await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
        async for text in websocket:
            event = orjson.loads(text)
            sent.append(event)
            if event["type"] == "session.update" and (self.answers or len(sent) == 1):
                answer = self.refuses or {"type": "session.updated", "session": {}}
                await websocket.send(orjson.dumps(answer), text=True)

    async def say(self, *events):
        for event in events:
            await self.sockets[-1].send(orjson.dumps(event), text=True)

    def kinds(self, session=-1):
        return [event["type"] for event in self.sessions[session]]


async def refuse(provider, at=-1, named=True):
    """The update at that place of its session."""
    about = {"event_id": provider.sessions[-1][at]["event_id"]} if named else {}
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no", **about}
    await provider.say({"type": "error", "error": error})


async def until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def patient(url, events, **provider):
    choice = Choice(Provider("acme", url, **provider), SessionConfig(transcription={"model": "x"}))
    return Client([choice], events.append, restore_seconds=5.0, agent="base")


SPEECH = bytes(960)  # 20 ms
STARTED = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u2"}
WORDS = {
    "type": "conversation.item.input_audio_transcription.completed",
    "item_id": "u1",
    "transcript": "my name is Ann",
}


async def test_a_session_that_breaks_is_followed_by_another_that_knows_all():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        audio = {"item_id": "a1", "content_index": 0, "response_id": "r1", "delta": "AAAA"}
        await provider.say(
            WORDS,
            {"type": "response.created", "response": {"id": "r1"}},
            {"type": "response.output_audio_transcript.delta", "item_id": "a1", "delta": "Hello Ann, let me"},
            {"type": "response.output_audio.delta", **audio},
        )
        await until(lambda: of(events, AudioDelta))
        provider.sockets[-1].transport.abort()
        await until(lambda: of(events, Restored))
        assert [type(event) for event in events if not isinstance(event, Transcript | AudioDelta)] == [Broken, Restored]
        assert of(events, Restored)[0].attempts == 1
        await until(lambda: provider.kinds()[-1] == "response.create")
        items = [event["item"] for event in provider.sessions[-1] if event["type"] == "conversation.item.create"]
        assert [item["content"][0]["text"] for item in items[1:]] == ["my name is Ann", "Hello Ann, let me"]
        one.close()


async def test_what_the_caller_says_meanwhile_is_heard_by_the_next_session():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        for _ in range(100):
            one.append(SPEECH)
        await provider.say(STARTED)
        await until(lambda: of(events, SpeechStarted))
        for _ in range(50):  # 1 s of a turn
            one.append(SPEECH)
        provider.sockets[-1].transport.abort()
        await until(lambda: of(events, Broken))
        for _ in range(5):  # while nobody is there
            one.append(SPEECH)
        await until(lambda: of(events, Restored))
        await until(lambda: provider.kinds().count("input_audio_buffer.append") == 30 + 50 + 5)
        assert "response.create" not in provider.kinds()  # the server answers when it has heard the turn
        one.close()


async def test_what_is_done_meanwhile_is_not_lost():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        call = {"type": "function_call", "call_id": "c1", "name": "hours", "arguments": "{}"}
        done = {"id": "r1", "status": "completed", "output": [call]}
        await provider.say(
            {"type": "response.created", "response": {"id": "r1"}}, {"type": "response.done", "response": done}
        )
        await until(lambda: of(events, ResponseDone))
        provider.sockets[-1].transport.abort()
        await until(lambda: of(events, Broken))
        one.tool_output("c1", "nine to five")
        one.add_text("[DTMF] 1")
        await until(lambda: of(events, Restored))
        await until(lambda: "response.create" in provider.kinds())
        items = [event["item"] for event in provider.sessions[-1] if event["type"] == "conversation.item.create"]
        assert [item["type"] for item in items[1:]] == ["function_call", "function_call_output", "message"]
        assert provider.kinds().count("response.create") == 1
        one.close()


async def test_the_next_provider_is_asked_at_the_start_and_in_mid_call():
    first, second, events = Scripted(), Scripted(), []
    async with Server(second) as other:
        async with Server(first) as url:
            choices = [
                Choice(Provider("a", url), SessionConfig(model="m")),
                Choice(Provider("b", other), SessionConfig(model="n")),
            ]
            health = Health(asyncio.get_running_loop().time)
            one = Client(choices, events.append, health)
            await one.open()
            assert one.provider == "a"
            await first.say(WORDS)
            await until(lambda: of(events, Transcript))
        await until(lambda: of(events, Restored))  # the first has gone for good
        assert one.provider == of(events, Restored)[0].provider == "b"
        assert [event.provider for event in of(events, Unreached)] == ["a"]
        await until(lambda: "conversation.item.create" in second.kinds())
        for _ in range(3):
            late = Client(choices, [].append, health)
            await late.open()
            late.close()
        assert health.is_down("a")
        one.close()


async def test_a_session_is_renewed_before_its_end_when_nobody_speaks():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events, max_age_seconds=1.5)
        await one.open()
        await provider.say(WORDS, {"type": "response.created", "response": {"id": "r1"}})
        await asyncio.sleep(2.5)
        assert len(provider.sessions) == 1  # within a response
        await provider.say({"type": "response.done", "response": {"id": "r1", "status": "completed"}})
        await until(lambda: of(events, Renewed))
        assert len(provider.sessions) == 2
        assert not of(events, Broken)
        await until(lambda: "conversation.item.create" in provider.kinds())
        one.append(SPEECH)
        await until(lambda: provider.kinds()[-1] == "input_audio_buffer.append")
        assert provider.kinds(0).count("input_audio_buffer.append") == 0
        one.close()


async def test_a_response_that_never_comes_costs_the_session():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events, response_seconds=1.0)
        await one.open()
        one.create_response("Say hello.")
        await until(lambda: of(events, Restored), 6)
        assert "said nothing for" in of(events, Broken)[0].problem
        await until(lambda: "response.create" in provider.kinds())
        assert provider.sessions[-1][-1]["response"] == {"instructions": "Say hello."}
        one.close()


async def test_a_provider_that_refuses_is_not_asked_again_and_again():
    provider, events, refusing = Scripted(), [], []

    def refuse(connection, request):
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no\n") if refusing else None

    async with Server(provider, process_request=refuse) as url:
        one = patient(url, events)
        await one.open()
        refusing.append(True)
        provider.sockets[-1].transport.abort()
        await until(lambda: of(events, Lost))
        assert len(of(events, Unreached)) == 1
        assert "check the provider's key" in of(events, Lost)[0].problem
        one.close()


async def test_closing_while_another_session_is_sought_leaves_nothing_behind():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        one.session.receive = lambda event: []
        one._on_event = lambda event: (events.append(event), one.close())
        provider.sockets[-1].transport.abort()
        await until(lambda: of(events, Broken))
        await asyncio.sleep(0.2)
        assert not of(events, Restored)
        assert all(socket.state.name == "CLOSED" for socket in provider.sockets)


async def test_other_settings_by_an_update_or_by_another_session():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        (choice,) = one.choices

        def update(**changes):
            one.update([replace(choice, config=replace(choice.config, **changes))])

        update(instructions="be kind")
        await until(lambda: provider.kinds() == ["session.update"] * 2)
        assert provider.sessions[-1][-1]["session"] == {"type": "realtime", "instructions": "be kind"}
        update(instructions="be kind")  # nothing new
        update(instructions="be kind", voice="ash")  # which OpenAI does not change within a session
        await until(lambda: of(events, Renewed))
        assert len(provider.sessions) == 2
        assert provider.sessions[-1][0]["session"]["audio"]["output"]["voice"] == "ash"
        assert provider.sessions[-1][0]["session"]["instructions"] == "be kind"
        one.close()


async def test_an_update_that_is_refused_leaves_all_as_it_was():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        before = one.choices
        provider.answers = False
        one.update([replace(before[0], config=replace(before[0].config, tools=[{"name": "bad"}]))])
        await until(lambda: len(provider.sessions[-1]) == 2)
        await refuse(provider)
        await until(lambda: of(events, ProviderFault))
        assert one.choices == before
        assert of(events, Reverted) == [Reverted("base")]
        one.update(
            [replace(before[0], config=replace(before[0].config, tools=[{"name": "bad"}]))]
        )  # asked again, sent again
        await until(lambda: len(provider.sessions[-1]) == 3)
        await refuse(provider)
        await until(lambda: len(of(events, Reverted)) == 2)
        provider.sockets[-1].transport.abort()
        await until(lambda: of(events, Restored))
        await until(lambda: provider.kinds() == ["session.update"])
        assert provider.sessions[-1][0]["session"]["tools"] == []
        one.close()


@pytest.mark.parametrize("named", [True, False])
async def test_the_first_of_two_updates_in_flight_is_refused_and_the_second_stands(named):
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        provider.answers = False
        base = one.choices[0]
        first = replace(base, config=replace(base.config, instructions="one", tools=[{"name": "a"}]))
        second = replace(base, config=replace(base.config, instructions="two", tools=[{"name": "a"}]))
        one.update([first], "first")
        one.update([second], "second")
        await until(lambda: len(provider.sessions[-1]) == 3)
        assert provider.sessions[-1][2]["session"] == {"type": "realtime", "instructions": "two"}
        provider.answers = True
        await refuse(provider, at=1, named=named)
        await provider.say({"type": "session.updated", "session": {}})
        await until(lambda: len(provider.sessions[-1]) == 4)  # what the second took over from the first
        assert provider.sessions[-1][3]["session"] == {"type": "realtime", "tools": [{"name": "a"}]}
        await asyncio.sleep(0.05)
        assert not of(events, Reverted)
        assert one.choices == (second,)
        assert len(of(events, ProviderFault)) == 1
        one.close()


async def test_other_settings_for_which_there_is_no_session_to_be_had_are_taken_back():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        provider.refuses = {"type": "error", "error": {"code": "invalid_value", "message": "no such voice"}}
        (choice,) = before = one.choices
        one.update([replace(choice, config=replace(choice.config, voice="nobody"))], "other")
        await until(lambda: of(events, Reverted))
        assert of(events, Reverted) == [Reverted("base")]
        assert one.choices == before
        assert one.session.session_id
        one.close()


async def test_other_settings_are_asked_for_again_where_their_provider_is_away(monkeypatch):
    monkeypatch.setattr(module, "RENEW_AGAIN_SECONDS", 0.1)
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        provider.refuses = {"type": "error", "error": {"code": "server_error", "message": "later"}}
        (choice,) = one.choices
        one.update([replace(choice, config=replace(choice.config, voice="ash"))], "other")
        await until(lambda: of(events, Unreached))
        provider.refuses = None
        await until(lambda: of(events, Renewed))
        assert not of(events, Reverted)
        assert provider.sessions[-1][0]["session"]["audio"]["output"]["voice"] == "ash"
        one.close()


async def test_a_warm_connection_is_there_before_the_call():
    provider, pool = Scripted(), Pool()
    async with Server(provider) as url:
        choices = [Choice(Provider("acme", url, warm=2), SessionConfig(model="m"))]
        first = Client(choices, [].append, pool=pool)
        await first.open()  # finds none, and has two opened
        await until(lambda: pool.waiting("acme m") == 2)
        assert [len(sent) for sent in provider.sessions] == [1, 0, 0]
        second = Client(choices, [].append, pool=pool)
        await second.open()
        await until(lambda: pool.waiting("acme m") == 2)
        assert [len(sent) for sent in provider.sessions] == [1, 1, 0, 0]
        second.append(SPEECH)
        await until(lambda: len(provider.sessions[1]) == 2)
        for socket in provider.sockets[2:]:
            socket.transport.abort()  # those that wait
        await asyncio.sleep(0.1)
        third = Client(choices, [].append, pool=pool)
        await third.open()  # by one of its own
        assert len(provider.sessions[4]) == 1
        for one in (first, second, third):
            one.close()
        pool.close()
        await until(lambda: all(socket.state.name == "CLOSED" for socket in provider.sockets))


@pytest.mark.parametrize(("status", "down"), [(401, True), (403, True), (404, False), (400, False)])
async def test_what_one_agent_has_wrong_is_no_fault_of_the_provider(status, down):
    def refuse(connection, request):
        return connection.respond(http.HTTPStatus(status), "no\n")

    health = Health(asyncio.get_running_loop().time)
    async with Server(talk, process_request=refuse) as url:
        one = Client([Choice(Provider("acme", url), SessionConfig(model="m"))], [].append, health)
        with pytest.raises(ProviderRefused):
            await one.open()
    assert health.is_down("acme") is down


async def test_a_frame_that_is_too_large_costs_the_session_and_not_the_conversation():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        await provider.say(WORDS)
        with contextlib.suppress(ConnectionClosed):
            await provider.sockets[-1].send("x" * (MAX_FRAME + 1))
        await until(lambda: of(events, Restored))
        assert "code" in of(events, Broken)[0].problem
        await until(lambda: "conversation.item.create" in provider.kinds())
        one.close()


async def test_events_out_of_their_order_are_survived():
    provider, events = Scripted(), []
    odd = {"item_id": "nobody", "content_index": 7, "response_id": "none", "delta": "AAAA"}
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        await provider.say(
            {"type": "response.output_audio.delta", **odd},
            {"type": "response.done", "response": {"id": "none"}},
            {"type": "response.output_audio.done"},
            {"type": "conversation.item.truncated"},
            {"type": "response.created"},
            {"type": "response.created", "response": {"id": "r2"}},
            {"type": "response.done", "response": None},
            {"type": "error"},
            {"type": "session.created", "session": None},
            {"type": 5},
            WORDS,
        )
        await until(lambda: of(events, Transcript))
        assert not of(events, Broken)
        one.close()


async def test_a_provider_that_does_not_read_any_more_costs_the_session(monkeypatch):
    monkeypatch.setattr("gateway.realtime.openai.client.STALLED_SECONDS", 0.5)
    provider, events = Scripted(), []
    async with Server(provider, close_timeout=0.5) as url:
        one = patient(url, events)
        await one.open()
        provider.sockets[-1].transport.pause_reading()
        async with asyncio.timeout(20):
            while not of(events, Restored):
                for _ in range(200):
                    one.append(SPEECH)
                await asyncio.sleep(0.01)
        assert "has not read" in of(events, Broken)[0].problem
        assert one.dropped > 0
        one.close()


async def test_a_warm_connection_that_is_dead_is_followed_by_a_new_one():
    connections = []

    async def provider(websocket):
        connections.append(websocket)
        if len(connections) == 2:  # the one that waits, and never has a session
            await websocket.wait_closed()
        else:
            await talk(websocket)

    pool, health = Pool(), Health(asyncio.get_running_loop().time)
    async with Server(provider) as url:
        choices = [Choice(Provider("acme", url, warm=1, connect_seconds=0.5), SessionConfig(model="m"))]
        first = Client(choices, [].append, health, pool=pool)
        await first.open()
        await until(lambda: pool.waiting("acme m") == 1)
        second = Client(choices, [].append, health, pool=pool)
        await second.open()
        assert not health.is_down("acme")
        assert len(connections) >= 3
        for one in (first, second):
            one.close()
        pool.close()


async def test_settings_that_change_while_a_session_is_opened_are_in_the_end_those_of_it():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        (choice,) = one.choices
        one.update([replace(choice, config=replace(choice.config, voice="ash"))])  # another session
        await until(lambda: len(provider.sessions) == 2)
        one.update([replace(choice, config=replace(choice.config, voice="ash", instructions="late"))])
        await until(lambda: of(events, Renewed))
        await until(lambda: provider.kinds().count("session.update") == 2)
        assert provider.sessions[-1][-1]["session"]["instructions"] == "late"
        one.close()


async def test_a_session_that_breaks_at_once_is_asked_for_less_and_less_often_and_not_for_ever():
    sessions, events = [], []

    async def hasty(websocket):
        sessions.append(time.monotonic())
        await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
        await websocket.recv()
        await websocket.send(orjson.dumps({"type": "session.updated", "session": {}}), text=True)
        await asyncio.sleep(0.02)
        websocket.transport.abort()

    async with Server(hasty) as url:
        one = Client([Choice(Provider("acme", url), SessionConfig())], events.append, restore_seconds=3.0)
        await one.open()
        await until(lambda: of(events, Lost), 20)
        one.close()
    assert len(sessions) <= 8
    assert "one after the other" in of(events, Lost)[0].problem
    waits = [after - before for before, after in itertools.pairwise(sessions)]
    assert waits[-1] > 4 * waits[0]


async def test_of_two_providers_the_other_is_asked_when_one_has_failed_twice():
    events, bad = [], Scripted()

    async def hasty(websocket):
        with contextlib.suppress(ConnectionClosed):
            await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
            await websocket.recv()
            await websocket.send(orjson.dumps({"type": "session.updated", "session": {}}), text=True)
            await asyncio.sleep(0.02)
            websocket.transport.abort()

    async with Server(hasty) as first, Server(bad) as second:
        choices = [
            Choice(Provider("first", first), SessionConfig()),
            Choice(Provider("second", second), SessionConfig()),
        ]
        one = Client(choices, events.append, restore_seconds=5.0)
        await one.open()
        await until(lambda: one.provider == "second" and bad.sessions)
        assert [event.provider for event in of(events, Broken)] == ["first", "first"]
        one.close()


@pytest.mark.parametrize("death", ["an error", "a Close", "the end of the stream"])
async def test_a_link_that_dies_with_the_word_that_it_is_ready_is_no_session(death):
    """Both in one read: it was adopted, and the call was mute for ever."""
    events, tries = [], []
    expired = {"type": "error", "error": {"code": "session_expired", "message": "over"}}
    last = {"an error": frame(**expired), "a Close": b"\x88\x02\x03\xe8", "the end of the stream": b""}[death]

    async def dies(reader, writer):
        tries.append(1)
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = b64encode(sha1(key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept + b"\r\n\r\n" + frame(type="session.created", session={"id": "s"})
        )  # fmt: skip
        await reader.read(10)
        writer.write(frame(type="session.updated", session={}) + last)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(dies, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    one = client(url, events=events)
    with contextlib.suppress(ProviderUnreachable):  # or it is found a moment later
        await one.open()
        await until(lambda: of(events, Broken), 1)
    assert one._link is None or not one._link._closed
    one.close()
    server.close()


@pytest.mark.parametrize(("status", "after"), [(429, "1"), (503, ""), (500, "")])
async def test_who_is_busy_is_asked_again_while_the_caller_waits(status, after):
    tries = []

    def busy(connection, request):
        tries.append(time.monotonic())
        if len(tries) < 3:
            response = connection.respond(http.HTTPStatus(status), "later\n")
            if after:
                response.headers["Retry-After"] = after
            return response
        return None

    async with Server(talk, process_request=busy) as url:
        one = client(url, 5.0)
        await one.open()
        one.close()
    assert len(tries) == 3
    if after:
        assert tries[1] - tries[0] >= 1.0


async def test_who_wants_to_be_left_alone_for_longer_than_the_caller_waits_is_not_waited_for():
    def busy(connection, request):
        response = connection.respond(http.HTTPStatus(429), "later\n")
        response.headers["Retry-After"] = "60"
        return response

    async with Server(talk, process_request=busy) as url:
        began = time.monotonic()
        with pytest.raises(ProviderUnreachable, match="429"):
            await client(url, 5.0).open()
        assert time.monotonic() - began < 1


def failed(code="server_error"):
    details = {"type": "failed", "error": {"type": "server_error", "code": code, "message": "no"}}
    return {"type": "response.done", "response": {"id": "r", "status": "failed", "status_details": details}}


CREATED = {"type": "response.created", "response": {"id": "r"}}


async def test_a_response_that_fails_is_asked_for_once_more_and_then_of_another_provider():
    first, second, events = Scripted(), Scripted(), []
    async with Server(first) as one_url, Server(second) as other_url:
        choices = [Choice(Provider("a", one_url), SessionConfig()), Choice(Provider("b", other_url), SessionConfig())]
        one = Client(choices, events.append, restore_seconds=5.0)
        await one.open()
        one.create_response("Say exactly: hello")
        await until(lambda: first.kinds().count("response.create") == 1)
        await first.say(CREATED, failed())
        await until(lambda: first.kinds().count("response.create") == 2)
        assert first.sessions[0][-1]["response"] == {"instructions": "Say exactly: hello"}
        await first.say(CREATED, failed())
        await until(lambda: second.sessions and "response.create" in second.kinds())
        assert second.sessions[0][-1]["response"] == {"instructions": "Say exactly: hello"}
        assert one.provider == "b"
        one.close()


async def test_without_money_or_a_key_another_provider_is_asked_at_once():
    first, second, events = Scripted(), Scripted(), []
    async with Server(first) as one_url, Server(second) as other_url:
        choices = [Choice(Provider("a", one_url), SessionConfig()), Choice(Provider("b", other_url), SessionConfig())]
        one = Client(choices, events.append, restore_seconds=5.0)
        await one.open()
        one.create_response("Say exactly: hello")
        await until(lambda: "response.create" in first.kinds())
        await first.say(CREATED, failed("insufficient_quota"))
        await until(lambda: second.sessions and "response.create" in second.kinds())
        assert first.kinds().count("response.create") == 1
        one.close()


async def test_a_response_that_was_heard_in_part_is_not_said_again():
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        one.create_response("Say exactly: hello")
        audio = {"type": "response.output_audio.delta", "item_id": "a", "response_id": "r", "delta": "AAAA"}
        await provider.say(CREATED, audio, failed())
        await until(lambda: of(events, ResponseDone))
        await asyncio.sleep(0.1)
        assert provider.kinds().count("response.create") == 1
        assert not of(events, Broken)
        one.close()


async def test_whatever_comes_is_a_sign_of_life_also_where_pings_are_not_answered(monkeypatch):
    monkeypatch.setattr("gateway.realtime.openai.socket.PING_SECONDS", 0.1)
    events, gone = [], asyncio.Event()

    async def deaf(reader, writer):
        """Answers no ping, and talks on."""
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = b64encode(sha1(key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept + b"\r\n\r\n" + frame(type="session.created", session={"id": "s"})
            + frame(type="session.updated", session={})
        )  # fmt: skip
        for _ in range(20):
            writer.write(frame(type="ping"))
            await asyncio.sleep(0.05)
        while await reader.read(4096):  # and is silent until it is left
            pass
        writer.close()
        gone.set()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    one = client(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime", events=events)
    await one.open()
    await asyncio.sleep(0.9)
    assert events == []
    await until(lambda: of(events, Broken))  # when it is silent, too
    one.close()
    await asyncio.wait_for(gone.wait(), 5)
    server.close()


async def test_a_session_that_says_nothing_is_asked_and_then_given_up(monkeypatch):
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(module, "SILENT_SECONDS", 3.0)
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        await asyncio.sleep(1.5)
        assert of(events, Broken) == []  # it answers each time
        assert provider.kinds().count("session.update") >= 2
        one.close()

    async def mute(websocket):
        await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
        await websocket.recv()
        await websocket.send(orjson.dumps({"type": "session.updated", "session": {}}), text=True)
        await websocket.wait_closed()

    async with Server(mute) as url:
        one = patient(url, events)
        await one.open()
        await until(lambda: of(events, Broken))
        assert "not even when it was asked" in of(events, Broken)[0].problem
        one.close()


async def test_a_turn_that_the_server_does_not_answer_is_answered_on_demand(monkeypatch):
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    provider, events = Scripted(), []
    async with Server(provider) as url:
        vad = {"type": "server_vad", "create_response": True}
        one = Client([Choice(Provider("a", url), SessionConfig(turn_detection=vad))], events.append)
        await one.open()
        await provider.say(STARTED, {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 9})
        await until(lambda: "response.create" in provider.kinds())
        await asyncio.sleep(0.5)
        assert provider.kinds().count("response.create") == 1
        one.close()


async def test_a_server_of_another_rate_is_understood_and_understands():
    events, got = [], []

    async def sixteen(websocket):
        await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
        await websocket.recv()
        formats = {"format": {"type": "audio/pcm", "rate": 16000}}
        told = {"audio": {"input": formats, "output": formats}}
        await websocket.send(orjson.dumps({"type": "session.updated", "session": told}), text=True)
        event = orjson.loads(await websocket.recv())
        got.append(b64decode(event["audio"]))
        audio = {"item_id": "a", "delta": b64encode(bytes(32 * 100)).decode()}
        await websocket.send(orjson.dumps({"type": "response.output_audio.delta", **audio}), text=True)
        await websocket.wait_closed()

    async with Server(sixteen) as url:
        choices = [Choice(Provider("a", url), SessionConfig())]
        one = Client(choices, events.append, resampler=resampler)
        await one.open()
        one.append(bytes(48 * 20))
        await until(lambda: of(events, AudioDelta))
        assert len(got[0]) == 32 * 20
        assert len(of(events, AudioDelta)[0].audio) == pytest.approx(48 * 100, abs=96)
        one.close()


async def test_an_event_that_nobody_can_read_is_one_event(monkeypatch):
    provider, events = Scripted(), []
    async with Server(provider) as url:
        one = patient(url, events)
        await one.open()
        receive = type(one.session).receive

        def fails(session, event):
            if event["type"] == "bad":
                raise KeyError("a bug")
            return receive(session, event)

        monkeypatch.setattr(type(one.session), "receive", fails)
        await provider.say({"type": "bad"}, {"type": "bad"}, WORDS)
        await until(lambda: of(events, Transcript))
        assert one.session.unreadable == 2
        one.close()
