import asyncio
import re
import time
from pathlib import Path

import pytest

from gateway.app import SWITCH_SECONDS, Gateway
from gateway.config.load import Settings
from gateway.errors import ConfigError
from tests.caller import Caller
from tests.certificates import make_certificate
from tests.gatewayd import running, settings_for

AGENT = "greeting: Hello.\n"


async def test_what_was_started_is_ended_in_turn(tmp_path):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, _):
        assert gateway.sip_port > 0
        assert gateway.switchboard.find("x") is None
        await gateway.drain()
        assert gateway.problems[0].startswith("draining")


async def test_a_node_that_has_just_started_is_ready_and_has_a_name_that_nobody_else_has(tmp_path):
    names = set()
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        async with running(settings_for(tmp_path / str(number), {"bob": AGENT}, node="here")) as (gateway, _):
            assert gateway.problems == []
            assert re.fullmatch("here-[0-9a-f]{8}", gateway.store.me)
            names.add(gateway.store.me)
    assert len(names) == 2


async def test_a_function_that_computes_leaves_the_loop_its_turn(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.setswitchinterval", (asked := []).append)
    async with running(settings_for(tmp_path, {"bob": AGENT})):
        assert asked == [SWITCH_SECONDS]
    assert SWITCH_SECONDS < 0.001  # Python's own 5 ms are a quarter of a frame


async def test_a_clock_that_was_set_is_that_of_the_calls_to_come(tmp_path, monkeypatch):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, _):
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3600)
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            (one,) = gateway.switchboard.calls
            assert abs(one.record()["started_at"] - real() - 3600) < 60
            call.bye()


async def test_transcripts_are_logged_only_where_that_is_wanted(tmp_path, capsys):
    from gateway.events import CallEvent

    for wanted in (False, True):
        gateway = Gateway(settings_for(tmp_path, {"bob": AGENT}, log={"transcripts": wanted}))
        gateway._log(CallEvent("c", 1.0, "transcript", {"text": "a secret"}), {})
        assert ("a secret" in capsys.readouterr().out) is wanted


async def test_trunks_and_routes_are_taken_up_anew_and_a_bad_file_leaves_them(tmp_path, capsys):
    rows = [{"name": "one", "peers": ["127.0.0.1"]}]
    async with (
        running(settings_for(tmp_path, {"bob": AGENT}, trunks=rows)) as (gateway, _),
        Caller(gateway.sip_port) as before,
        Caller(gateway.sip_port) as after,
    ):
        assert await before.invite() == 200
        other = settings_for(tmp_path, {"bob": AGENT}, trunks=[{"name": "two", "peers": ["192.0.2.1"]}])
        gateway.read = lambda: other
        assert await gateway.reload() == []
        assert await after.invite() == 403
        assert len(gateway.switchboard) == 1  # the call that was there goes on

        def broken() -> Settings:
            raise ConfigError("gateway.yaml", "is not to be read")

        gateway.read = broken
        assert await gateway.reload() == ["gateway.yaml: is not to be read"]
        assert "gateway.yaml: is not to be read" in capsys.readouterr().out
        assert [trunk.name for trunk in gateway.switchboard.user_agent.core.trunks.trunks] == ["two"]
        await gateway.store.writer.flush(2.0)
        noted = [(one["who"], one["method"], one["status"]) for one in await gateway.store.access.audit("", 10)]
        assert noted == [("SIGHUP", "RELOAD", 409), ("SIGHUP", "RELOAD", 200)]
        before.bye()
        async with asyncio.timeout(5):
            while len(gateway.switchboard):
                await asyncio.sleep(0.01)


async def test_agents_are_taken_up_anew_and_a_call_keeps_the_one_that_it_has(tmp_path):
    async with (
        running(settings_for(tmp_path, {"bob": "greeting: Hello.\n"})) as (gateway, events),
        Caller(gateway.sip_port) as before,
        Caller(gateway.sip_port, user="new") as after,
    ):
        assert await before.invite() == 200
        await before.until_quiet()
        agents = {"bob": "greeting: Changed.\n", "eve": "greeting: I am new here.\n"}
        routes = [{"called": "new", "agent": "eve"}, {"called": "*", "agent": "bob"}]
        changed = settings_for(tmp_path, agents, routes=routes)
        gateway.read = lambda: changed
        assert await gateway.reload() == []
        assert gateway.switchboard.calls[0].agent.definition.greeting.say == "Hello."
        assert await after.invite() == 200
        await after.until_quiet()
        assert gateway.switchboard.calls[1].agent.name == "eve"
        assert list(gateway.settings.agents) == ["bob", "eve"]
        said = [data["text"] for kind, data in events if kind == "transcript"]
        assert said == ["Hello.", "I am new here."]
        before.bye()
        after.bye()


async def test_a_provider_that_was_not_there_at_the_start_needs_a_restart(tmp_path):
    async with running(settings_for(tmp_path, {"bob": "greeting: Hello.\n"})) as (gateway, _):
        providers = {"acme": {"url": "ws://127.0.0.1:9/v1/realtime"}}
        agent = "provider: acme\nmodel: m\n"
        changed = settings_for(tmp_path, {"bob": agent}, providers=providers)
        gateway.read = lambda: changed
        assert await gateway.reload() == ["providers: are read at the start only: restart for acme"]
        assert gateway.settings.agents["bob"].definition.provider == "local"


async def test_a_trunk_that_cannot_be_used_leaves_the_agents_as_they_were(tmp_path):
    async with running(settings_for(tmp_path, {"bob": "greeting: Hello.\n"})) as (gateway, events):
        certificate, *_ = make_certificate(tmp_path, "two")
        trunk = {"name": "two", "peers": ["127.0.0.1"], "tls": {"ca": certificate}}
        changed = settings_for(tmp_path, {"bob": "greeting: Changed.\n"}, trunks=[trunk])
        Path(certificate).unlink()
        gateway.read = lambda: changed
        (problem,) = await gateway.reload()
        assert certificate in problem
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            call.bye()
        assert [data["text"] for kind, data in events if kind == "transcript"] == ["Hello."]


async def test_a_record_of_which_more_is_known_goes_to_the_database_again(tmp_path, monkeypatch):
    pytest.importorskip("asyncpg")
    monkeypatch.setenv("DATABASE", "postgresql://127.0.0.1:9/nobody")
    records = {"postgres_env": "DATABASE"}
    async with running(settings_for(tmp_path, {"eve": "greeting: Hello.\n"}, records=records)) as (gateway, _):
        await gateway._record_again("call_1")
        streams = [await gateway.store._redis.xrange(name) for name in ("{gateway}:outbox", "{gateway}:outbox:dead")]
    entries = [entry for stream in streams for _, entry in stream]
    assert [(entry[b"for"], entry[b"call_id"]) for entry in entries] == [(b"records", b"call_1")]
