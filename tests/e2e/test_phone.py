"""The commands of the README with PJSIP at the other end: what the phone prints, hears, and what the API then tells."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import wave

import numpy as np
import pytest

from gateway.codecs import Resampler
from gateway.local import Rule, Script
from gateway.local.ears import Ears
from gateway.local.mouth import mouth
from gateway.local.script import normalize
from tests.e2e.conftest import GATEWAY, said
from tests.gatewayd import needs_ears

pytestmark = pytest.mark.e2e

GREETING = "Hello, this is Garden House. How can I help you?"
ANSWER = "We are open Monday to Friday, from eight in the morning until six in the evening. Is there anything else?"


def recording(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


BOTH = pytest.mark.parametrize("phone", ["pjsip", "own"], indirect=True)


def phrases(samples):
    """Stretches of speech in int16 at 8 kHz: separated by 0.24 s of silence."""
    loud = np.abs(samples[: len(samples) // 160 * 160].reshape(-1, 160)).max(axis=1) > 200
    found, start, last = [], None, 0
    for frame, speaks in enumerate(loud):
        if speaks:
            start, last = (frame if start is None else start), frame
        elif start is not None and frame - last > 12:
            found.append(samples[max(0, start - 10) * 160 : (last + 10) * 160])
            start = None
    return [*found, samples[start * 160 :]] if start is not None else found


@BOTH
@needs_ears
def test_a_question_and_its_answer_are_heard(phone, tmp_path):
    printed, record = phone("--say", "what are your opening hours", "--record", str(tmp_path / "heard.wav"))
    assert "confirmed: 200 OK" in printed
    assert all(re.match(r" *\d+\.\d\d s  ", line) for line in printed.splitlines())  # nothing of the library's own
    assert said(record, "assistant") == [GREETING, ANSWER]
    assert said(record, "user") == ["what are your opening hours"]
    pytest.importorskip("pocketsphinx")
    parts = (
        "Hello, this is Garden House.",
        "How can I help you?",
        "We are open Monday to Friday, from eight in the morning until six in the evening.",
        "Is there anything else?",
    )
    ears = Ears("listener", Script((Rule((GREETING, ANSWER, *parts)),)))
    heard = " ".join(
        ears.understand(Resampler(8000, 16000).push(phrase)) for phrase in phrases(recording(tmp_path / "heard.wav"))
    )
    assert heard == normalize(f"{GREETING} {ANSWER}")


def test_both_ends_report_on_the_line(phone):
    """RTCP: what PJSIP tells of what it heard, and how long it took."""
    _, record = phone("--say", "what are your opening hours")
    media = record["media"]
    assert media["far_loss"] == 0
    assert 0 <= media["round_trip_ms"] < 200
    assert media["mos"] > 4
    assert media["far_mos"] > 4


@BOTH
@needs_ears
def test_a_transfer_is_followed_to_its_end(phone):
    printed, record = phone("--say", "transfer me to billing")
    assert re.search(r"REFER to <sip:billing@127\.0\.0\.1:\d+>", printed)
    assert re.search(r"call to sip:reception@\S+ ended: 200", printed)
    assert "call to <sip:billing@" in printed
    # the latest call of this phone is the one to billing, which it made itself
    assert said(record, "assistant")[0].startswith("This is billing at Garden House.")


def test_a_refused_transfer_goes_on(phone):
    printed, record = phone("--say", "transfer me to sales", "--refuse-transfer", "--say", "goodbye")
    assert "REFER to" in printed
    assert said(record, "assistant")[2:] == [
        "I am sorry, sales cannot be reached right now. Can I do anything else for you?",
        "Thank you for calling. Goodbye!",
    ]
    assert record["outcome"] == "agent_hung_up"


def test_keys_are_heard(phone):
    _, record = phone("--dtmf", "3#")
    digits = [event["data"]["digit"] for event in record["events"] if event["type"] == "dtmf"]
    assert digits == ["3", "#"]


def test_a_key_that_means_something_and_tcp(phone):
    printed, record = phone("--dtmf", "2", "--tcp", "--refuse-transfer")
    assert "REFER to <sip:support@" in printed
    assert [event["data"]["digit"] for event in record["events"] if event["type"] == "dtmf"] == ["2"]


def test_the_greeting_can_be_interrupted(phone):
    _, record = phone("--say", "what are your opening hours", "--after", "0.8")
    assert record["interruptions"] == 1
    assert ANSWER in said(record, "assistant")


SOUND = '''
"""Stands for sounddevice and PortAudio, where no machine of tests has a sound card: a microphone that plays a file,
and a loudspeaker that writes one, at the pace of a real device."""

import threading, time, wave

class PortAudioError(Exception): pass

def check_input_settings(**settings): assert settings == {"channels": 1, "dtype": "int16", "samplerate": 8000}
check_output_settings = check_input_settings

class _Stream:
    def __init__(self, callback, samplerate, blocksize, channels, dtype):
        self.callback, self.size, self.open = callback, 2 * blocksize, True
    def start(self):
        threading.Thread(target=self._run, daemon=True).start()
    def close(self):
        self.open = False
    def _run(self):
        due = time.monotonic()
        while self.open:
            self.turn()
            due += 0.02
            time.sleep(max(0, due - time.monotonic()))

class RawInputStream(_Stream):
    def start(self):
        self.sound = wave.open("mic.wav").readframes(1 << 24)
        super().start()
    def turn(self):
        piece, self.sound = self.sound[:self.size], self.sound[self.size:]
        self.callback(piece.ljust(self.size, bytes(1)), self.size // 2, None, None)

class RawOutputStream(_Stream):
    def turn(self):
        data = bytearray(self.size)
        self.callback(data, self.size // 2, None, None)
        with open("loud.raw", "ab") as file:
            file.write(data)
'''


def test_a_person_talks_by_microphone_and_loudspeaker(demo, tmp_path):
    pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")
    (tmp_path / "sounddevice.py").write_text(SOUND)
    quiet, words = np.zeros(8000 * 5, np.int16), mouth().speak("what are your opening hours", speed=0.85, hz=8000)
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.concatenate([quiet, words]).astype("<i2").tobytes())
    command = [GATEWAY, "phone", f"sip:reception@127.0.0.1:{demo.sip_port}", "--talk", "--url",
               f"http://127.0.0.1:{demo.http_port}", "--caller", "person"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if ANSWER in line:
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        lines += process.stdout.read().splitlines()
        assert process.wait(20) == 0
    printed = "".join(lines)
    assert f"agent: {GREETING}" in printed
    assert "heard of you: what are your opening hours" in printed
    assert "hanging up" in printed
    assert demo.call_of("person")["outcome"] == "caller_hung_up"  # Ctrl-C hangs up
    loud = np.fromfile(tmp_path / "loud.raw", "<i2")
    assert len(phrases(loud)) >= 2  # the greeting was heard by the loudspeaker
