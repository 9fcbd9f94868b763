"""Messages at mailboxes by the API, from whichever node has them."""

import time

import httpx
import pytest

from gateway import api
from tests.api.nodes import two_nodes
from tests.gatewayd import running, settings_for

ID = "call_00000000000000aa"


def message(message_id=ID, at=None, **more):
    return {
        "id": message_id, "box": "box", "call_id": message_id[:21], "node": "here", "caller": "sip:ann@h",
        "caller_name": "Ann", "called": "sip:100@us", "at": at or time.time(), "seconds": 4.5,
        "file": f"{message_id}.wav", "transcript": "call me", "heard": False, "to_do": ["mail"], **more,
    }  # fmt: skip


def settings(folder, **more):
    (folder / "rec" / "voicemail").mkdir(parents=True)
    return settings_for(folder, {"eve": "greeting: Hello.\n"}, recordings=str(folder / "rec"), node="here", **more)


async def test_messages_are_listed_heard_and_removed(tmp_path):
    async with running(settings(tmp_path)) as (gateway, _), api.serve(gateway) as port:
        (path := tmp_path / "rec" / "voicemail" / f"{ID}.wav").write_bytes(b"RIFF" + bytes(60))
        now = time.time()
        kept = gateway.store.voicemails
        await kept.put(message(at=now, node="other"))  # whose desk has it still to do
        for number in range(4):
            await kept.put(message(f"call_{number:016x}", now - 10 - number, box="other", heard=number > 1))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            page = (await client.get("/v1/voicemails", params={"limit": 2})).json()
            assert [one["box"] for one in page["data"]] == ["box", "other"]
            assert "to_do" not in page["data"][0]
            rest = (await client.get("/v1/voicemails", params={"limit": 5, "cursor": page["next"]})).json()
            assert (len(rest["data"]), rest["next"]) == (3, "")
            new = (await client.get("/v1/voicemails", params={"box": "other", "heard": "false"})).json()["data"]
            assert len(new) == 2
            sound = await client.get(f"/v1/voicemails/{ID}/audio", headers={"Range": "bytes=0-3"})
            assert (sound.status_code, sound.content, sound.headers["content-type"]) == (206, b"RIFF", "audio/wav")
            assert (await client.post(f"/v1/voicemails/{ID}/heard")).json()["heard"] is True
            assert (await client.get(f"/v1/voicemails/{ID}")).json()["heard"] is True
            assert (await kept.get(ID))["to_do"] == ["mail"]  # which is still to do
            assert (await client.post(f"/v1/voicemails/{ID}/heard", json={"heard": False})).json()["heard"] is False
            assert (await client.delete(f"/v1/voicemails/{ID}")).json() == {"id": ID, "removed": True}
            assert not path.exists()
            for method, url in (("GET", f"/{ID}"), ("GET", f"/{ID}/audio"), ("DELETE", f"/{ID}"), ("POST", "/x/heard")):
                assert (await client.request(method, f"/v1/voicemails{url}")).status_code == 404
            assert (await client.get("/v1/voicemails", params={"cursor": "abc"})).status_code == 422
            gone = await client.get("/v1/voicemails/call_0000000000000001/audio")
            assert (gone.status_code, gone.json()["detail"]) == (
                404,
                "the message is not on this node, and here is gone",
            )


async def test_sound_that_another_node_has_comes_from_there(tmp_path):
    async with two_nodes(tmp_path, {"eve": "greeting: Hello.\n"}) as (one, other, _):
        folder = tmp_path / "two" / "tapes" / "voicemail"
        folder.mkdir(parents=True)
        (folder / f"{ID}.wav").write_bytes(b"RIFF" + bytes(60))
        await one.gateway.store.voicemails.put(message(node=other.gateway.settings.store.node))
        sound = await one.http.get(f"/v1/voicemails/{ID}/audio")
        assert (sound.status_code, sound.content[:4]) == (200, b"RIFF")
        assert (await one.http.delete(f"/v1/voicemails/{ID}")).status_code == 200
        assert list(folder.iterdir()) == []


async def test_a_record_that_is_erased_takes_its_messages_along(tmp_path):
    async with running(settings(tmp_path)) as (gateway, _):
        (path := tmp_path / "rec" / "voicemail" / f"{ID}-2.wav").write_bytes(b"RIFF")
        await gateway.store.voicemails.put(message(f"{ID}-2"))
        await gateway.erase([ID])
        assert not path.exists()
        assert await gateway.store.voicemails.get(f"{ID}-2") is None


@pytest.mark.parametrize("file", ["../../etc/passwd", "x.wav", f"{ID}.wav/../y"])
async def test_no_other_file_is_dropped(tmp_path, file):
    async with running(settings(tmp_path)) as (gateway, _):
        assert (await gateway.control.node_verbs["drop_voicemail"]({"file": file})) == {"dropped": False}
