"""Two nodes on one Redis: what one is asked of the other's calls."""

import asyncio
import wave

import orjson
import pytest

from gateway.store.connection import server_executable
from tests.api.nodes import two_nodes
from tests.caller import Caller

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")

AGENT = """
greeting: Hello, this is the clerk.
transcription: {model: local}
transfer_targets: {billing: "sip:billing@127.0.0.1:9"}
local: {rules: [{hears: goodbye, says: Goodbye then.}]}
"""
OTHER = "instructions: You are Bob.\ntranscription: {model: local}\n"


async def until(condition, call=None, seconds=15):
    async with asyncio.timeout(seconds):
        while not condition():
            await (call.silence(0.05) if call else asyncio.sleep(0.05))


def kinds(node):
    return [kind for kind, _ in node.events]


def said(node):
    return [data["text"] for kind, data in node.events if kind == "transcript" and data["role"] == "assistant"]


async def test_every_action_from_the_node_that_does_not_have_the_call(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN", "the-key")
    http = {"port": 0, "auth": "always", "admin_key_env": "ADMIN"}
    async with (
        two_nodes(tmp_path, {"eve": AGENT, "bob": OTHER}, "the-key", http=http) as (one, two, _),
        Caller(one.gateway.sip_port) as call,
    ):
        assert await call.invite() == 200
        await until(lambda: said(one), call)
        (listed,) = (await two.http.get("/v1/calls?live=true")).json()["data"]
        sip_port = one.gateway.sip_port
        call_id = listed["call_id"]
        assert (listed["node"], listed["state"], listed["agent"]) == (one.id, "answered", "eve")

        async def ask(verb, **body):
            answer = await two.http.post(f"/v1/calls/{call_id}/{verb}", json=body)
            assert answer.status_code == 202, answer.text
            return answer.json()

        await call.until_quiet()
        assert await ask("say", text="One moment please.") == {"call_id": call_id, "state": "answered", "agent": "eve"}
        await until(lambda: "One moment please." in said(one), call)
        await call.until_quiet()
        await ask("hold")
        await until(lambda: ("hold", {"on": True, "by": "gateway"}) in one.events, call)
        await until(lambda: any("a=sendonly" in text for text in call.requests), call)
        await ask("hold", on=False)
        await until(lambda: any("a=sendrecv" in text for text in call.requests[-3:]), call)
        await ask("mute", who="agent")
        await ask("say", text="Nobody hears this.")
        await until(lambda: "Nobody hears this." in said(one), call)
        await ask("mute", who="agent", on=False)
        await ask("mute")
        assert one.gateway.switchboard.calls[0].mute.caller
        await ask("mute", on=False)
        await ask("inject", text="The caller is a premium customer.")
        assert ("injected", {"role": "system", "text": "The caller is a premium customer."}) in one.events
        await ask("dtmf", digits="42#")
        assert ("dtmf_sent", {"digits": "42#"}) in one.events
        await ask("recording", action="start")
        await call.silence(0.5)
        await ask("recording", action="stop")
        await until(lambda: "recording_stopped" in kinds(one), call)
        await ask("update", agent="bob", settings={"instructions": "You are Robert."})
        assert one.gateway.switchboard.calls[0].record()["agent"] == "bob"
        await ask("update", agent="eve")
        await ask("transfer", to="sip:somebody@127.0.0.1:9")
        await until(lambda: "transfer_started" in kinds(one), call)
        answer = await two.http.post(f"/v1/calls/{call_id}/say", json={"text": "x"})
        assert (answer.status_code, answer.json()["state"]) == (409, "transferring")
        sip = (await two.http.get(f"/v1/calls/{call_id}/sip")).json()["data"]
        assert any("INVITE sip:" in one["message"] for one in sip)
        assert all(one["local"].endswith(f":{sip_port}") and one["time"].endswith("Z") for one in sip)
        pcap = await two.http.get(f"/v1/calls/{call_id}/pcap")
        assert pcap.content[:4] == b"\xd4\xc3\xb2\xa1"
        assert pcap.content.count(b"INVITE sip:") >= 1
        assert pcap.headers["content-disposition"] == f'attachment; filename="{call_id}.pcap"'
        levels = (await two.http.get(f"/v1/calls/{call_id}/levels")).json()
        assert levels["samples_a_second"] == 20
        assert max(levels["agent"]) > -30
        rest = (await two.http.get(f"/v1/calls/{call_id}/levels", params={"after": 10})).json()
        assert rest["agent"][: len(levels["agent"]) - 10] == levels["agent"][10:]
        await ask("hangup")
        await until(lambda: "ended" in kinds(one), call)
        assert not (tmp_path / "two" / "tapes").exists()
        wav = await two.http.get(f"/v1/calls/{call_id}/recording")
        assert (wav.status_code, wav.content[:4]) == (200, b"RIFF")
        (tmp_path / "x.wav").write_bytes(wav.content)
        with wave.open(str(tmp_path / "x.wav")) as file:
            assert file.getnchannels() == 2
        await until(lambda: not len(one.gateway.store.writer))
        record = (await two.http.get(f"/v1/calls/{call_id}")).json()
        assert (record["state"], record["outcome"]) == ("ended", "hung_up_by_request")
        for verb in ("hangup", "hold"):
            answer = await two.http.post(f"/v1/calls/{call_id}/{verb}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        kept = (await two.http.get(f"/v1/calls/{call_id}/levels")).json()
        assert len(kept["caller"]) >= len(levels["caller"])


async def test_bad_input_is_named(tmp_path):
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, two, _), Caller(one.gateway.sip_port) as call:
        assert await call.invite() == 200
        await until(lambda: said(one), call)
        call_id = one.gateway.switchboard.calls[0].info.call_id
        for path, body, status, says in (
            ("/v1/calls/nobody/hangup", {}, 404, "there is no call nobody in progress"),
            (f"/v1/calls/{call_id}/dtmf", {"digits": "12x"}, 422, "digits"),
            (f"/v1/calls/{call_id}/dtmf", {}, 422, "digits: is missing"),
            (f"/v1/calls/{call_id}/say", {"text": "hi", "colour": 1}, 422, "colour"),
            (f"/v1/calls/{call_id}/say", {}, 422, "text: is empty"),
            (f"/v1/calls/{call_id}/say", {"text": "hi", "prompt": "closed"}, 422, "cannot both be said"),
            (f"/v1/calls/{call_id}/say", {"prompt": "closed"}, 422, "there is no prompt 'closed'; these are: none"),
            (f"/v1/calls/{call_id}/transfer", {"to": "the moon"}, 422, "or a target of the agent's (billing)"),
            (f"/v1/calls/{call_id}/transfer", {"to": "sip:a@b>\r\nX: y"}, 422, "is no destination"),
            (f"/v1/calls/{call_id}/update", {"agent": "nobody"}, 422, "nobody"),
            (f"/v1/calls/{call_id}/update", {"settings": {"colour": "red"}}, 422, "cannot be changed within a call"),
            (f"/v1/calls/{call_id}/recording", {"action": "pause"}, 409, "it cannot be told to pause"),
            ("/v1/calls", {"to": "sip:a@127.0.0.1:9", "agent": "x"}, 422, "there is no agent"),
            ("/v1/calls", {"to": "a b c", "agent": "eve"}, 422, ""),
            ("/v1/calls", {"to": "sip:a@h", "agent": "eve", "variables": {"x": "a\r\nB: c"}}, 422, "variables"),
            ("/v1/calls", {"to": "sip:a@h", "agent": "eve", "headers": {"X-A": "a\r\nB: c"}}, 422, "line end"),
            ("/v1/nodes/nobody/drain", {}, 404, "there is no node"),
        ):
            answer = await two.http.post(path, json=body)
            problem = answer.json()
            assert (answer.status_code, problem["status"]) == (status, status), (path, body, answer.text)
            assert says in problem["detail"], (path, problem)
            assert answer.headers["content-type"] == "application/problem+json"
        huge = await two.http.post("/v1/calls", content=b"x" * 2_000_000)
        assert huge.status_code == 413

        async def pieces():
            for _ in range(30):
                yield b"x" * 100_000

        assert (await two.http.post("/v1/calls", content=pieces())).status_code == 413
        for query, says in (("cursor=x", "none of ours"), ("limit=0", "limit"), ("colour=red", "colour")):
            answer = await two.http.get(f"/v1/calls?{query}")
            assert (answer.status_code, says in answer.json()["detail"]) == (422, True), answer.text
        assert (await two.http.get(f"/v1/calls/{call_id}/events?after=x")).status_code == 422
        assert (await two.http.get("/v1/calls/nobody/events")).status_code == 404
        assert (await two.http.get("/v1/calls/nobody")).status_code == 404
        assert (await two.http.get(f"/v1/calls/{call_id}/recording")).status_code == 404
        answer = await two.http.get("/v1/calls/nobody", headers={"x-request-id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        assert (
            (await two.http.get("/health", headers={"x-request-id": "a b"})).headers["x-request-id"].startswith("req_")
        )
        assert one.gateway.switchboard.calls[0].state == "answered"  # whatever was asked


async def test_the_same_request_twice_is_one_call(tmp_path):
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, two, _):
        order = {"to": "sip:a@127.0.0.1:9", "agent": "eve"}
        key = {"Idempotency-Key": "k1"}
        first, *others = await asyncio.gather(*(two.http.post("/v1/calls", json=order, headers=key) for _ in range(5)))
        codes = sorted(answer.status_code for answer in (first, *others))
        assert codes[0] == 202
        assert set(codes) <= {202, 409}  # 409: the first was still at it
        again = await two.http.post("/v1/calls", json=order, headers=key)
        ids = {answer.json()["call_id"] for answer in (first, *others, again) if answer.status_code == 202}
        assert len(ids) == 1
        assert again.headers["idempotent-replayed"] == "true"
        assert len(two.gateway.switchboard) + len([kind for kind in kinds(two) if kind == "ended"]) == 1
        other = await two.http.post("/v1/calls", json={**order, "to": "sip:b@127.0.0.1:9"}, headers=key)
        assert (other.status_code, other.json()["detail"]) == (422, "this Idempotency-Key was used for another request")
        refused = [await two.http.post("/v1/calls", json={**order, "agent": "x"}, headers={"Idempotency-Key": "k2"})
                   for _ in range(2)]  # fmt: skip
        assert [answer.status_code for answer in refused] == [422, 422]
        assert refused[0].json()["detail"] == refused[1].json()["detail"]
        assert len(one.gateway.switchboard) == 0


async def test_events_as_they_happen_on_any_node(tmp_path):
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, two, _), Caller(one.gateway.sip_port) as call:
        everything, mine = [], []

        async def watch(path, into, **headers):
            headers = {"accept": "text/event-stream", **headers}
            async with two.http.stream("GET", path, headers=headers, timeout=None) as got:
                assert got.headers["content-type"].startswith("text/event-stream")
                async for line in got.aiter_lines():
                    if line.startswith("data: "):
                        into.append(orjson.loads(line[6:]))

        watching = asyncio.create_task(watch("/v1/events", everything))
        await asyncio.sleep(0.3)
        assert await call.invite() == 200
        await until(lambda: said(one), call)
        call_id = one.gateway.switchboard.calls[0].info.call_id
        following = asyncio.create_task(watch(f"/v1/calls/{call_id}/events", mine))
        await until(lambda: any(event["type"] == "levels" for event in everything), call)
        assert next(event for event in everything if event["type"] == "answered")["record"]["state"] == "answered"
        call.bye()
        await asyncio.wait_for(following, 10)  # ends with the call
        assert [event["type"] for event in mine] == ["incoming", "answered", "transcript", "ended"]
        assert {name for one in everything if one["type"] == "levels" for name in one["levels"]} == {call_id}
        rest = (await two.http.get(f"/v1/calls/{call_id}/events", params={"after": mine[1]["id"]})).json()
        assert [event["type"] for event in rest["data"]] == ["transcript", "ended"]
        late = []
        await watch(f"/v1/calls/{call_id}/events", late, **{"last-event-id": mine[2]["id"]})
        assert [event["type"] for event in late] == ["ended"]
        watching.cancel()


async def test_pages_and_filters(tmp_path):
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, two, _):
        for _ in range(3):
            async with Caller(one.gateway.sip_port) as call:
                assert await call.invite() == 200
                await call.silence(0.1)
                call.bye()
                await call.silence(0.1)
        await until(lambda: kinds(one).count("ended") == 3 and not len(one.gateway.store.writer))
        first = (await two.http.get("/v1/calls", params={"limit": 2, "outcome": "caller_hung_up"})).json()
        assert len(first["data"]) == 2
        rest = (await two.http.get("/v1/calls", params={"limit": 2, "cursor": first["next"]})).json()
        assert len(rest["data"]) == 1
        ids = [row["call_id"] for row in first["data"] + rest["data"]]
        assert len(set(ids)) == 3
        for query, count in (
            ({"agent": "eve"}, 3), ({"agent": "bob"}, 0), ({"live": True}, 0), ({"q": ids[0][5:12]}, 1),
            ({"caller": "caller@"}, 3), ({"until": 1}, 0), ({"since": 1, "direction": "inbound"}, 3),
            ({"node": one.id}, 3), ({"node": two.id}, 0), ({"state": "ended"}, 3), ({"state": "", "outcome": ""}, 3),
            ({"since": "2026-01-01"}, 3), ({"until": "2026-01-01T00:00:00Z"}, 0), ({"outcome": "no_route"}, 0),
        ):  # fmt: skip
            found = (await two.http.get("/v1/calls", params=query)).json()
            assert (query, len(found["data"])) == (query, count)
        csv = await two.http.get("/v1/calls.csv", params={"outcome": "caller_hung_up", "limit": 1})  # page by page
        assert csv.headers["content-type"] == "text/csv; charset=utf-8"
        lines = csv.text.splitlines()
        assert lines[0].startswith("call_id,direction,state,outcome,started_time")
        assert sorted(line.partition(",")[0] for line in lines[1:]) == sorted(ids)


async def test_a_refusal_is_told_again_as_it_was(tmp_path):
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, _, _):
        for _ in range(2):
            answer = await one.http.post("/v1/calls/nobody/hold", headers={"Idempotency-Key": "k"})
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.headers["idempotent-replayed"] == "true"
