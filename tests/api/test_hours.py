import asyncio
import time
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from gateway import control
from gateway.hours import Hours, Override
from gateway.store.connection import server_executable
from tests.api.nodes import two_nodes
from tests.caller import Caller

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")

AGENTS = {"day": "greeting: Hello.\n", "night": "greeting: We are closed.\n"}
SETTINGS = {
    "hours": {"shop": {"timezone": "Europe/Berlin", "open": {"daily": "00:00-24:00"}}},
    "routes": [{"called": "*", "hours": "shop", "agent": "day"}, {"called": "*", "agent": "night"}],
}


async def _who_answers(node) -> str:
    async with Caller(node.gateway.sip_port) as call:
        assert await call.invite() == 200
        (live,) = node.gateway.switchboard.calls
        call.bye()
    async with asyncio.timeout(5):
        while len(node.gateway.switchboard):
            await asyncio.sleep(0.02)
    return live.agent.name


async def test_what_is_said_by_hand_holds_on_all_nodes_until_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "BEAT_SECONDS", 0.1)
    async with two_nodes(tmp_path, AGENTS, **SETTINGS) as (one, two, _):
        (row,) = (await one.http.get("/v1/hours")).json()["data"]
        assert (row["name"], row["timezone"], row["open"]) == ("shop", "Europe/Berlin", True)
        assert (row["until_at"], row["overridden_by"]) == (None, None)
        assert await _who_answers(one) == "day"

        until = time.time() + 600
        said = await two.http.post("/v1/hours/shop/override", json={"open": False, "until": until})
        assert (said.status_code, said.json()["open"], said.json()["until_at"]) == (200, False, until)
        (row,) = (await one.http.get("/v1/hours")).json()["data"]  # at once, not with the next beat
        assert (row["open"], row["overridden_by"]) == (False, "this machine")
        assert await _who_answers(one) == "night"
        one.gateway.switchboard.overrides = {}
        async with asyncio.timeout(5):  # a node that was not reached hears of it with its next beat
            while not one.gateway.switchboard.overrides:
                await asyncio.sleep(0.05)

        gone = await one.http.request("DELETE", "/v1/hours/shop/override")
        assert (gone.json()["open"], gone.json()["overridden_by"]) == (True, None)
        assert await _who_answers(two) == "day"
        assert (await one.http.request("DELETE", "/v1/hours/shop/override")).status_code == 404


async def test_a_node_that_starts_takes_it_up_and_one_without_redis_or_with_another_file_keeps_it(tmp_path):
    async with two_nodes(tmp_path, AGENTS, **SETTINGS) as (one, _, _):
        store, board = one.gateway.store, one.gateway.switchboard
        await store.overrides.put("shop", Override(False, time.time() + 600, "ann"))
        await one.gateway.control.announce()  # as a node does that starts
        assert await _who_answers(one) == "night"

        board.use(replace(board.resources.settings), board.user_agent.core.trunks.trunks, board.resources.agents)
        assert await _who_answers(one) == "night"

        await store._redis.execute_command("CLIENT", "PAUSE", "6000", "ALL")
        async with asyncio.timeout(8):
            while store.available:
                await asyncio.sleep(0.1)
        assert await _who_answers(one) == "night"


async def test_a_reload_takes_up_other_hours(tmp_path):
    async with two_nodes(tmp_path, AGENTS, **SETTINGS) as (one, _, _):
        board = one.gateway.switchboard
        never = Hours("shop", ZoneInfo("UTC"), {})
        settings = replace(board.resources.settings, hours={"shop": never})
        board.use(settings, board.user_agent.core.trunks.trunks, board.resources.agents)
        assert await _who_answers(one) == "night"


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("nobody", {"open": True}, 404, "there are no hours nobody; these are: shop"),
        ("shop", {"open": True, "until": 0}, 422, "a time to come"),
        ("shop", {"open": True, "until": 1000}, 422, "a time to come"),
        ("shop", {"open": True, "until": 1e11}, 422, "within 370 days"),
        ("shop", {"open": "yes"}, 422, "open"),
        ("shop", {"until": "2026-12-24T18:00Z"}, 422, "open"),
        ("shop", {"open": True, "until": "Christmas"}, 422, "ISO 8601"),
    ],
)
async def test_what_cannot_be_said(hours_api, name, body, status, says):
    answer = await hours_api.http.post(f"/v1/hours/{name}/override", json=body)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert hours_api.gateway.switchboard.overrides == {}


@pytest.fixture
async def hours_api(tmp_path):
    async with two_nodes(tmp_path, AGENTS, **SETTINGS) as (one, _, _):
        yield one
