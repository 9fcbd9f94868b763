import numpy as np
import pytest

from gateway.bridge.media.batch_upsample import BatchUpsample
from gateway.bridge.media.caller_audio import CallerAudio
from gateway.codecs import CODECS, WIDE, g711, tone
from gateway.rtp import Gap

LOUD = b"\x00" * 160  # mu-law's largest negative


def caller_audio(chunk_ms=20):
    chunks = []
    return CallerAudio(CODECS["PCMU"].sound, chunk_ms, chunks.append, BatchUpsample(BatchUpsample.flush)), chunks


@pytest.mark.parametrize("chunk_ms", [20, 60, 100])
def test_chunks_have_their_length_and_nothing_is_lost(chunk_ms):
    one, chunks = caller_audio(chunk_ms)
    for _ in range(30):
        one.audio(LOUD)
    assert [len(chunk) for chunk in chunks] == [chunk_ms * 48] * (600 // chunk_ms)


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
def test_packets_of_any_length_make_the_same_chunks(ptime_ms):
    one, chunks = caller_audio()
    for _ in range(1200 // ptime_ms):
        one.audio(LOUD[:8] * ptime_ms)
        for _ in range(ptime_ms // 20):
            one.tick()
    assert [len(chunk) for chunk in chunks] == [960] * 60


def test_a_loss_is_concealed_and_a_pause_is_silence_of_its_length():
    one, chunks = caller_audio()
    tone = g711.encode(g711.ULAW, (8000 * np.sin(np.arange(480) * 2 * np.pi / 80)).astype(np.int16)).tobytes()
    for at in range(0, 480, 160):
        one.audio(tone[at : at + 160])
    one.gap(Gap(160, 1))
    one.audio(tone[:160])
    one.gap(Gap(160, 0))
    one.audio(tone[:160])
    levels = [int(np.abs(np.frombuffer(chunk, np.int16)[150:].astype(int)).max()) for chunk in chunks]
    assert len(levels) == 7
    assert min(levels[:5]) > 4000
    assert levels[5] == 0


def test_a_gap_after_nothing_is_silence_of_its_length():
    one, chunks = caller_audio()
    one.audio(LOUD)
    one.gap(Gap(320, 0))
    one.audio(LOUD)
    assert len(chunks) == 4
    assert not np.frombuffer(chunks[2], np.int16).any()
    assert np.frombuffer(chunks[3], np.int16)[-1] < -30000


def test_while_nothing_comes_silence_goes_on_and_the_gap_that_follows_is_not_counted_twice():
    one, chunks = caller_audio()
    one.audio(LOUD)
    for _ in range(20):  # 400 ms without a packet: filled from 120 ms on
        one.tick()
    assert len(chunks) == 1 + 15
    one.gap(Gap(400 * 8, 0))  # what the timestamps say
    assert len(chunks) == 1 + 20
    one.audio(LOUD)
    assert len(chunks) == 22


def test_silence_that_no_gap_explains_does_not_swallow_later_loss():
    one, chunks = caller_audio()
    one.audio(LOUD)
    for _ in range(20):
        one.tick()
    one.audio(LOUD)  # a new stream: its timestamps say nothing of the pause
    before = len(chunks)
    one.gap(Gap(320, 2))
    assert len(chunks) == before + 2


def test_a_steady_stream_is_not_filled_up():
    one, chunks = caller_audio()
    for _ in range(50):
        one.audio(LOUD)
        one.tick()
    assert len(chunks) == 50


def test_a_deaf_one_hears_silence_in_time():
    one, chunks = caller_audio()
    one.input_muted = True
    for _ in range(5):
        one.audio(LOUD)
    assert len(chunks) == 5
    assert not any(any(chunk) for chunk in chunks)


def test_the_codec_may_change():
    one, chunks = caller_audio()
    one.use(CODECS["PCMA"].sound)
    one.audio(b"\xd5" * 160)
    assert np.abs(np.frombuffer(chunks[0], np.int16)).max() < 20


def test_keys_within_the_audio_are_told_and_the_agent_hears_silence_in_their_place():
    one, chunks = caller_audio()
    keys = []
    one.find_keys(keys.append)
    pressed = np.concatenate([tone(key, 8000) for key in "4#"])
    hum = (3000 * np.sin(np.arange(1600) * 2 * np.pi * 300 / 8000)).astype(np.int16)
    coded = g711.encode(g711.ULAW, np.concatenate((hum, pressed, hum))).tobytes()
    for at in range(0, len(coded), 160):
        one.audio(coded[at : at + 160])
    assert keys == ["4", "#"]
    heard = np.frombuffer(b"".join(chunks), np.int16)
    assert np.abs(heard[: 200 * 24 - 100]).max() > 2500
    assert np.abs(heard[203 * 24 : (200 + 360) * 24 - 100]).max() < 5
    assert np.abs(heard[-150 * 24 :]).max() > 2500
    assert len(heard) == (len(pressed) + 3200) * 3


def test_keys_are_heard_by_a_deaf_uplink_too():
    one, _ = caller_audio()
    keys = []
    one.find_keys(keys.append)
    one.input_muted = True
    coded = g711.encode(g711.ULAW, tone("7", 8000)).tobytes()
    for at in range(0, len(coded), 160):
        one.audio(coded[at : at + 160])
    assert keys == ["7"]


def test_what_the_provider_takes_as_it_is_passes_untouched_or_in_the_other_law():
    for codec, same in (("PCMU", True), ("PCMA", False)):
        one, chunks = caller_audio(40)
        one.pass_on(g711.ULAW)
        one.use(CODECS[codec].sound)
        codes = bytes(range(256)) * 5
        for at in range(0, 1280, 160):
            one.audio(codes[at : at + 160])
        assert [len(chunk) for chunk in chunks] == [320] * 4
        assert (b"".join(chunks) == codes) is same
        samples = g711.decode(CODECS[codec].sound, np.frombuffer(codes, np.uint8)).astype(int)
        heard = g711.decode(g711.ULAW, np.frombuffer(b"".join(chunks), np.uint8)).astype(int)
        assert np.abs(samples - heard).max() <= 1024  # a step of the loudest segment
        one.gap(Gap(320, 2))
        assert len(chunks) == 5


def test_our_own_ears_listen_while_the_agent_is_heard():
    one, _ = caller_audio()
    heard, agent_is_heard = [], [False]
    one.find_speech(60, lambda: agent_is_heard[0], lambda: heard.append(1))
    quiet, loud = b"\xff" * 160, g711.encode(g711.ULAW, tone("1", 8000)[:160] * 2).tobytes()
    for payload in [quiet] * 10 + [loud] * 10:
        one.audio(payload)
    assert heard == []
    agent_is_heard[0] = True
    for payload in [quiet] * 5 + [loud] * 2:
        one.audio(payload)
    assert heard == []
    one.audio(loud)
    assert heard == [1]  # once: by then the agent is silent


def wide_tone(hz, ms):
    return (8000 * np.sin(2 * np.pi * hz * np.arange(16 * ms) / 16000)).astype("<i2")


def test_a_wide_band_goes_up_with_its_losses_and_pauses():
    one, chunks = caller_audio()
    one.use(WIDE)
    said = wide_tone(6000, 200).tobytes()
    for at in range(0, len(said), 640):
        one.audio(said[at : at + 640])
        if at == 640 * 4:
            one.gap(Gap(160, lost=True))
    for _ in range(10):
        one.tick()
    heard = np.frombuffer(b"".join(chunks), "<i2").astype(float)
    assert len(heard) == 24 * (200 + 20 + 5 * 20)  # what was said, what was lost, and the silence beyond 100 ms
    spectrum = np.abs(np.fft.rfft(heard[: 24 * 90] * np.hanning(24 * 90)))
    assert spectrum.argmax() * 24000 / (24 * 90) == pytest.approx(6000, abs=12)
    assert np.abs(heard[24 * 104 : 24 * 118]).max() > 4000  # concealed
    assert not heard[24 * 230 :].any()


def test_keys_are_found_in_a_wide_band_too():
    one, _ = caller_audio()
    pressed = []
    one.find_keys(pressed.append)
    one.use(WIDE)
    sound = np.concatenate((tone("5", 16000), tone("#", 16000))).astype("<i2").tobytes()
    for at in range(0, len(sound) // 640 * 640, 640):
        one.audio(sound[at : at + 640])
    assert pressed == ["5", "#"]
