"""Files as they are written: real ones, also on a device that is full."""

import asyncio
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gateway.bridge.media.recorder import Recorder
from gateway.codecs import g711

ULAW, ALAW = g711.ULAW, g711.ALAW


def codes(value, count, law=ULAW):
    return g711.encode(law, np.full(count, value, np.int16)).tobytes()


def read(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


async def recorded(tmp_path, work, law=ULAW):
    threads, failures = ThreadPoolExecutor(1), []
    recorder = Recorder(tmp_path / "new" / "call.wav", law, threads, failures.append)
    work(recorder)
    recorder.close()
    await asyncio.to_thread(threads.shutdown)
    assert failures == []
    return read(tmp_path / "new" / "call.wav")


async def test_both_sides_at_their_moments(tmp_path):
    def talk(recorder):
        for number in range(150):  # 3 s
            recorder.agent(codes(1000 if number >= 100 else 0, 160))
            recorder.caller(codes(-2000 if number < 50 else 0, 160))

    samples = await recorded(tmp_path, talk)
    assert len(samples) == 24000
    assert (np.flatnonzero(samples[:, 0] < -1500)[[0, -1]] == [0, 7999]).all()
    assert np.flatnonzero(samples[:, 1] > 800)[0] == 16000


async def test_jitter_and_pauses_of_the_caller_do_not_shift_what_comes_later(tmp_path):
    def talk(recorder):
        for number in range(300):
            recorder.agent(codes(0, 160))
            if number % 5 == 4:  # five packets at once
                recorder.caller(codes(0, 160) * 4 + codes(3000 if number == 249 else 0, 160))

    samples = await recorded(tmp_path, talk)
    assert np.flatnonzero(samples[:, 0] > 2000)[0] == 249 * 160
    assert len(samples) == 48000

    def silent(recorder):
        for number in range(300):
            recorder.agent(codes(0, 160))
            if number >= 200:  # nothing at all for 4 s
                recorder.caller(codes(3000 if number == 250 else 0, 160))

    samples = await recorded(tmp_path, silent)
    assert abs(np.flatnonzero(samples[:, 0] > 2000)[0] - 250 * 160) <= 1600


async def test_a_caller_whose_clock_is_fast_is_not_piled_up(tmp_path):
    def talk(recorder):
        for number in range(1000):
            recorder.agent(codes(0, 160))
            recorder.caller(codes(3000 if number == 990 else 0, 176))

    samples = await recorded(tmp_path, talk)
    assert len(samples) == 160000
    assert abs(np.flatnonzero(samples[:, 0] > 2000)[0] - 990 * 160) <= 1600


async def test_a_pause_is_silence_of_its_length_and_a_law_may_change(tmp_path):
    def talk(recorder):
        for number in range(100):
            recorder.paused = 40 <= number < 60
            law = ULAW if number < 80 else ALAW
            recorder.use(law)
            recorder.caller(codes(4000, 160, law))
            recorder.agent(codes(4000, 160, law))

    samples = await recorded(tmp_path, talk)
    assert len(samples) == 16000
    for side in (0, 1):
        quiet = np.flatnonzero(np.abs(samples[:, side]) < 100)
        assert (quiet[0], quiet[-1], len(quiet)) == (40 * 160, 60 * 160 - 1, 20 * 160)
        assert np.abs(samples[-1, side] - 4000) < 100


async def test_the_file_is_whole_while_it_is_written(tmp_path):
    threads = ThreadPoolExecutor(1)
    recorder = Recorder(tmp_path / "call.wav", ULAW, threads, lambda problem: None)
    for _ in range(130):
        recorder.agent(codes(500, 160))
    await asyncio.to_thread(threads.submit(lambda: None).result)
    assert len(read(tmp_path / "call.wav")) == 16000  # two whole seconds, without close
    recorder.close()
    threads.shutdown()


async def test_a_device_that_is_full_is_told_once(tmp_path):
    (tmp_path / "full.wav").symlink_to("/dev/full")
    threads, failures = ThreadPoolExecutor(1), []
    recorder = Recorder(tmp_path / "full.wav", ULAW, threads, failures.append)
    for _ in range(300):
        recorder.agent(codes(500, 160))
    recorder.close()
    await asyncio.to_thread(threads.shutdown)
    await asyncio.sleep(0.01)
    assert len(failures) == 1
    assert "full.wav: No space left on device" in failures[0]


async def test_a_disk_that_hangs_costs_no_memory(tmp_path):
    threads, failures, answers = ThreadPoolExecutor(1), [], threading.Event()
    threads.submit(answers.wait)
    recorder = Recorder(tmp_path / "call.wav", ULAW, threads, failures.append)
    for _ in range(50 * 100):  # 100 s
        recorder.agent(codes(500, 160))
    await asyncio.sleep(0.01)
    assert len(failures) == 1
    assert "the disk has not answered for 30 s" in failures[0]
    answers.set()
    recorder.close()
    await asyncio.to_thread(threads.shutdown)
    assert len(failures) == 1


async def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    threads, failures = ThreadPoolExecutor(1), []
    Recorder(tmp_path / "file" / "call.wav", ULAW, threads, failures.append).close()
    await asyncio.to_thread(threads.shutdown)
    await asyncio.sleep(0.01)
    assert len(failures) == 1
    assert Path("file").name in failures[0]
