"""baresip calls: another stack, A-law, speech from a file; and by TCP, where it holds and resumes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import kinds, said
from tests.e2e.tones import strongest, tone_agent
from tests.gatewayd import free_port, running, settings_for
from tests.speech import narrowband

MODULES = next((path for path in Path("/usr/lib").glob("**/baresip/modules")), None)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("baresip") is None or MODULES is None, reason="baresip is not installed (Debian: baresip-core)"
    ),
]

CONFIG = """
sip_listen 127.0.0.1:0
audio_source aufile,{folder}/say.wav
module_path {modules}
module g711.so
module g722.so
module aufile.so
module sndfile.so
snd_path {folder}
module_app account.so
module_app menu.so
"""


def phone(folder: Path, account: str, say: bytes, control: int = 0, hz: int = 8000) -> list[str]:
    """A telephone that says `say` (PCM16 at `hz`), and listens for commands on the port `control`: what starts it."""
    listen = f"module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n" if control else ""
    (folder / "config").write_text(CONFIG.format(folder=folder, modules=MODULES) + listen)
    (folder / "accounts").write_text(f"{account};regint=0\n")
    (folder / "contacts").write_text("")
    with wave.open(str(folder / "say.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(hz)
        file.writeframes(say)
    return ["baresip", "-f", str(folder)]


def test_a_question_in_a_law(demo, tmp_path):
    quiet = np.zeros(4 * 8000, np.int16)  # while the greeting is spoken
    say = np.concatenate((quiet, narrowband("what are your opening hours"), quiet, quiet)).tobytes()
    start = phone(tmp_path, "<sip:baresip@127.0.0.1>;audio_codecs=PCMA/8000", say)
    command = [*start, "-e", f"d sip:reception@127.0.0.1:{demo.sip_port}", "-t", "14"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Call established" in done.stdout + done.stderr
    record = demo.call_of("baresip")
    assert (record["outcome"], record["media"]["codec"]) == ("caller_hung_up", "PCMA")
    assert said(record, "user") == ["what are your opening hours"]
    assert said(record, "assistant")[1].startswith("We are open Monday to Friday")


async def test_a_wide_band_both_ways(tmp_path):
    """G.722 as another implementation codes it: tones that G.711 cannot carry."""
    (tmp_path / "agents").mkdir()
    said = (9000 * np.sin(2 * np.pi * 6000 * np.arange(16000 * 8) / 16000)).astype("<i2").tobytes()
    start = phone(tmp_path, "<sip:wide@127.0.0.1>;audio_codecs=G722/16000,PCMU/8000", said, hz=16000)
    async with tone_agent(5000) as (url, heard):
        settings = settings_for(
            tmp_path / "agents",
            {"eve": "provider: tone\nrecording: {start: answer}\n"},
            providers={"tone": {"url": url}},
            media={"codecs": ["G722", "PCMU"]},
            recordings=str(tmp_path / "recordings"),
        )
        records = []
        async with running(settings) as (gateway, _):
            gateway.sinks.append(lambda event, record: event.type == "ended" and records.append(record))
            call = f"d sip:eve@127.0.0.1:{gateway.sip_port}"
            process = await asyncio.create_subprocess_exec(
                *start, "-e", call, "-t", "5", stdout=asyncio.subprocess.DEVNULL
            )
            await asyncio.wait_for(process.wait(), 30)
            await asyncio.sleep(0.3)
    assert (records[-1]["outcome"], records[-1]["media"]["codec"]) == ("caller_hung_up", "G722")
    went = np.frombuffer(bytes(heard), "<i2")[24000:60000].astype(float)
    assert strongest(went, 24000, 12000) == (pytest.approx(6000, abs=1), pytest.approx(1, abs=0.02))
    dumped, recorded = next(tmp_path.glob("dump-*-dec.wav")), next((tmp_path / "recordings").iterdir())
    for path, side in ((dumped, 0), (recorded, 1)):
        with wave.open(str(path)) as file:
            assert file.getframerate() == 16000
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())[:, side]
        loud = np.flatnonzero(np.abs(samples) > 2000)
        came = samples[loud[0] + 8000 : loud[0] + 40000].astype(float)
        assert strongest(came, 16000, 8000) == (pytest.approx(5000, abs=1), pytest.approx(1, abs=0.02))


class Control:
    """baresip's control port: one netstring of JSON for each command."""

    def __init__(self, port: int) -> None:
        for _ in range(50):
            with contextlib.suppress(OSError):
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
                return
            time.sleep(0.1)
        raise TimeoutError("baresip does not listen")

    def do(self, command: str, parameters: str = "") -> None:
        text = json.dumps({"command": command, "params": parameters})
        self._socket.sendall(f"{len(text)}:{text},".encode())

    def close(self) -> None:
        self._socket.close()


def test_it_holds_and_resumes_by_tcp(demo, tmp_path):
    port = free_port()
    start = phone(tmp_path, "<sip:holding@127.0.0.1;transport=tcp>", bytes(16000 * 20), port)
    with subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            hand = Control(port)
            hand.do("dial", f"sip:reception@127.0.0.1:{demo.sip_port};transport=tcp")
            time.sleep(4)
            hand.do("hold")
            time.sleep(1.5)
            hand.do("resume")
            time.sleep(1.5)
            hand.do("hangup")
            time.sleep(0.5)
            hand.close()
        finally:
            process.terminate()
    record = demo.call_of("holding")
    assert record["outcome"] == "caller_hung_up"
    assert "answered" in kinds(record)
    _, trace = demo.get(f"/v1/calls/{record['call_id']}/sip")
    messages = [one["message"] for one in trace["data"]]
    assert all("/TCP" in text.split("Via:")[1].split("\r\n")[0] for text in messages)
    offers = [text for text in messages if text.startswith("INVITE")]
    answers = [text for text in messages if text.startswith("SIP/2.0 200") and "INVITE\r\n" in text and "v=0" in text]
    assert ["a=sendonly" in text or "a=inactive" in text for text in offers] == [False, True, False]
    assert ["a=sendrecv" in text for text in answers] == [True, False, True]


CLERK = "greeting: Hello, this is the clerk.\ntranscription: {model: local}\nlocal: {rules: []}\n"
BILLING = "greeting: Billing here.\ntranscription: {model: local}\nlocal: {rules: []}\n"


async def test_it_sends_the_agent_to_somebody_else(tmp_path):
    """baresip's REFER is followed: its NOTIFYs end its call, and the agent goes on with whom it was sent to."""
    for folder in ("clerk", "billing", "phone"):
        (tmp_path / folder).mkdir()
    port = free_port()
    start = phone(tmp_path / "phone", "<sip:boss@127.0.0.1>", bytes(16000 * 30), port)
    trunk = {"name": "desk", "peers": ["127.0.0.1"], "follow_refer": True}
    async with (
        running(settings_for(tmp_path / "billing", {"eve": BILLING})) as (billing, there),
        running(settings_for(tmp_path / "clerk", {"bob": CLERK}, trunks=[trunk])) as (gateway, here),
    ):
        process = await asyncio.create_subprocess_exec(*start, stdout=asyncio.subprocess.DEVNULL)
        try:
            hand = await asyncio.to_thread(Control, port)
            hand.do("dial", f"sip:bob@127.0.0.1:{gateway.sip_port}")
            async with asyncio.timeout(30):
                while not here or here[-1][0] != "answered":
                    await asyncio.sleep(0.1)
                hand.do("transfer", f"sip:eve@127.0.0.1:{billing.sip_port}")
                while "speech_started" not in [kind for kind, _ in here]:  # billing, as the clerk hears it
                    await asyncio.sleep(0.1)
            hand.close()
            assert "replaced" in [kind for kind, _ in here]
            assert [len(one.switchboard) for one in (gateway, billing)] == [1, 1]
        finally:
            process.terminate()
            await process.wait()
    assert [data["outcome"] for kind, data in there if kind == "ended"] in (["caller_hung_up"], ["node_stopped"])
