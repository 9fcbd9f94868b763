"""What its SDK does not show; a call from its webhook to its end is in tests/e2e/test_openai_sip.py."""

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway import api
from tests.caller import Caller
from tests.gatewayd import running, settings_for


async def test_errors_are_in_the_shape_that_openais_clients_read(tmp_path):
    async with (
        running(settings_for(tmp_path, {"eve": "greeting: Hello.\n"})) as (gateway, _),
        api.serve(gateway) as port,
    ):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1/realtime") as http:
            answer = await http.post("/calls/nobody/accept", json={"type": "realtime"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NoSuchCall")
            for body, says in ((b"{", "is not JSON"), (b"[]", "a session object")):
                answer = await http.post("/calls/nobody/accept", content=body)
                assert (answer.status_code, says in answer.json()["detail"]) == (422, True)
            assert (await http.post("/calls/nobody/reject", json={"status_code": 200})).status_code == 422
        async with connect(f"ws://127.0.0.1:{port}/v1/realtime?call_id=nobody") as socket:
            error = orjson.loads(await socket.recv())
            assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
            with pytest.raises(ConnectionClosed, match="there is no call nobody"):
                await socket.recv()


async def test_any_call_can_be_watched_and_what_is_no_event_is_told(tmp_path):
    settings = settings_for(tmp_path, {"eve": "greeting: Hello.\n"})
    async with running(settings) as (gateway, _), api.serve(gateway) as port, Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        call_id = gateway.switchboard.calls[0].info.call_id
        async with connect(f"ws://127.0.0.1:{port}/v1/realtime?call_id={call_id}", subprotocols=["realtime"]) as socket:
            assert socket.subprotocol == "realtime"
            created = orjson.loads(await socket.recv())
            assert (created["type"], created["session"]["object"]) == ("session.created", "realtime.session")
            for text, says in (("{", "unexpected end"), ("[]", "type"), ('{"type": 1}', "type")):
                await socket.send(text)
                while (event := orjson.loads(await socket.recv()))["type"] != "error":
                    pass
                assert says in event["error"]["message"]
            await socket.send(
                '{"type": "session.update", "session": {"type": "realtime", "instructions": "Be quick."}}'
            )
            while (event := orjson.loads(await socket.recv()))["type"] != "session.updated":
                pass
            assert event["session"]["instructions"] == "Be quick."
            call.bye()
            async for _ in socket:
                pass
            assert socket.close_reason == "the call has ended"
        assert gateway.switchboard.calls == []
