"""What becomes of a message, with a real Redis, a real mail server and a real disk."""

import asyncio
import time
import wave
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest

from gateway import events
from gateway.delivery import MailSettings, VoicemailDesk, VoicemailSettings, WebhookSettings, voicemails
from gateway.events import CallEvent
from gateway.store import StoreSettings, open_store
from gateway.store.connection import server_executable
from tests.delivery.test_mail import server

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")

ID = "call_00000000000000aa"
LEFT = events.VoicemailLeft("box", ID, f"{ID}.wav", 4.5, "key")
RECORD = {"caller": "sip:+4930@h", "caller_name": "Ann", "called": "sip:100@us"}
HOOKS = (WebhookSettings("crm", "http://crm.example"), WebhookSettings("deaf", "http://x", events=("call.ended",)))


async def at_once():
    return None


@asynccontextmanager
async def desk(tmp_path, start=True, **given):
    folder = tmp_path / "voicemail"
    folder.mkdir(exist_ok=True)
    (folder / f"{ID}.wav").write_bytes(b"RIFF sound")
    settings = VoicemailSettings(folder, **given)
    async with open_store(StoreSettings()) as store:
        one = VoicemailDesk(settings, HOOKS, store, "node", at_once)
        if start:
            one.start()
        yield one, store
        await one.close()


async def until(what, seconds=10):
    async with asyncio.timeout(seconds):
        while not (found := await what()):
            await asyncio.sleep(0.02)
    return found


def left(one):
    one.tell(CallEvent.of(ID, time.time(), LEFT), RECORD)


async def done(store):
    message = await store.voicemails.get(ID)
    return message if message and not message["to_do"] else None


async def bodies(store):
    return [orjson.loads(entry[1][b"body"]) for entry in await store._redis.xrange("{gateway}:outbox")]


async def test_it_is_kept_told_and_mailed(tmp_path):
    with server() as (inbox, port):
        mail = MailSettings("127.0.0.1", "v@b.example", port, "none")
        async with desk(tmp_path, mail=mail, mail_to={"box": ("team@b.example",)}) as (one, store):
            left(one)
            message = await until(lambda: done(store))
            assert (message["box"], message["caller_name"], message["heard"]) == ("box", "Ann", False)
            (told,) = await bodies(store)
            assert (told["type"], told["data"]["message"]["id"]) == ("voicemail.received", ID)
            assert "to_do" not in told["data"]["message"]
            assert one.mailed == one.received == 1
    assert b"RIFF" not in inbox.mails[0].content  # in base64
    assert b"call_00000000000000aa.wav" in inbox.mails[0].content


async def test_a_service_that_fails_costs_the_words_and_nothing_else(tmp_path):
    service = voicemails.TranscriptionService("acme", "http://127.0.0.1:9/")
    async with desk(tmp_path, transcribe={"box": "acme"}, services={"acme": service}) as (one, store):
        left(one)
        message = await until(lambda: done(store))
        assert (message["transcript"], one.transcripts_failed) == (None, 1)
        assert len(await bodies(store)) == 1


async def test_a_mail_server_that_is_away_is_asked_again_until_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(voicemails, "AGAIN_SECONDS", 0.2)
    mail = MailSettings("127.0.0.1", "v@b.example", 9, "none")
    async with desk(tmp_path, mail=mail, mail_to={"box": ("team@b.example",)}) as (one, store):
        left(one)
        await until(lambda: bodies(store))
        await asyncio.sleep(0.6)
        assert (await store.voicemails.get(ID))["to_do"] == ["mail"]
        with server() as (inbox, port):
            one.settings = replace(one.settings, mail=replace(mail, port=port))
            await until(lambda: done(store))
            assert len(inbox.mails) == 1
        assert len(await bodies(store)) == 1  # told once
    async with desk(tmp_path, mail=mail, mail_to={"box": ("team@b.example",)}, hours=0.0) as (one, store):
        left(one)
        await until(lambda: done(store))
        assert one.mail_failed == 1


async def test_what_a_stop_kept_from_being_done_is_done_after_the_next_start(tmp_path):
    async with desk(tmp_path, start=False) as (one, store):
        left(one)
        await one.close()
        assert (await store.voicemails.get(ID))["to_do"] == ["tell"]
        await store.voicemails.put({**await store.voicemails.get(ID), "id": "call_other", "node": "other"})
        one.start()
        await until(lambda: done(store))
        assert (await store.voicemails.get("call_other"))["to_do"] == ["tell"]  # is another node's to do
        assert len(await bodies(store)) == 1


async def test_sound_is_dropped_by_a_name_of_ours_alone(tmp_path):
    (tmp_path / "secret.wav").write_text("x")
    async with desk(tmp_path) as (one, _):
        assert not one.drop("../secret.wav")
        assert not one.drop("call_00000000000000ab.wav")
        assert one.drop(f"{ID}.wav")
        assert one.path_of({"file": f"{ID}.wav"}) is None


async def test_a_redis_that_has_forgotten_is_told_again_but_not_of_what_was_removed(tmp_path):
    async with desk(tmp_path) as (one, store):
        left(one)
        await until(lambda: done(store))
        folder = one.settings.folder
    assert (folder / f"{ID}.json").is_file()
    (folder / "call_00000000000000bb.json").write_text("{half")
    async with desk(tmp_path) as (one, store):  # another Redis
        message = await until(lambda: store.voicemails.get(ID))
        assert (message["to_do"], message["caller_name"]) == ([], "Ann")
        await store.voicemails.remove(ID)
        await one.close()
        one.start()  # as a node that was away when it was removed
        await asyncio.sleep(0.3)
        assert await store.voicemails.get(ID) is None
        assert one.drop(f"{ID}.wav")
        assert not (folder / f"{ID}.json").exists()


async def test_a_message_that_was_cut_off_by_the_end_of_its_node_is_one(tmp_path):
    async with desk(tmp_path, start=False) as (one, store):
        with wave.open(str(one.settings.folder / f"{ID}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(2 * 8000 * 3))
        record = {"call_id": ID, "started_at": 1.0, "state": "answered", "node": "node-1234abcd", **RECORD}
        store.calls.write(CallEvent(ID, 1.0, "voicemail_begun", {"box": "box"}), record)

        async def ends(**more):
            over = record | {"state": "ended", "ended_at": time.time(), **more}
            store.calls.write(CallEvent(ID, time.time(), "ended", {}), over)
            await store.writer.flush(2.0)
            one.start()
            await asyncio.sleep(0.3)
            found = await store.voicemails.get(ID)
            await one.close()
            return found

        assert await ends(outcome="voicemail") is None  # whoever took it has it in hand, and tells of it once
        assert await ends(outcome="node_died", node="other-1234abcd") is None
        message = await ends(outcome="node_died")
        assert (message["box"], message["caller_name"], message["seconds"]) == ("box", "Ann", 3.0)
