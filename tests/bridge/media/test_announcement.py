import numpy as np
import pytest

from gateway.bridge.media.announcement import FRAME, PIECE, Announcement, CodedSound, CodedSounds
from gateway.codecs import CODECS, WIDE, Resampler

ULAW = CODECS["PCMU"].sound


def tone(seconds):
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(int(24000 * seconds)) / 24000)).astype("<i2")


def taken(announcement, sound=ULAW):
    frames = []
    while (frame := announcement.take(sound)) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("sound", [ULAW, CODECS["PCMA"].sound, WIDE])
def test_it_is_what_resampling_and_coding_make_of_it(sound):
    pcm = tone(2.51)
    coded = CodedSound(pcm.tobytes(), sound)
    found = b"".join(coded.frame(number) for number in range(coded.frames))
    whole = np.concatenate((pcm, np.zeros(-len(pcm) % FRAME, np.int16)))
    assert found == sound.coded(Resampler(24000, sound.hz).push(whole))
    assert coded.frame(3) == found[3 * len(coded.frame(0)) :][: len(coded.frame(0))]  # in any order


def test_a_second_at_a_time_and_once_for_all():
    sounds = CodedSounds()
    pcm = tone(10).tobytes()
    one, other = Announcement(sounds), Announcement(sounds)
    for each in (one, other):
        each.put(pcm)
        each.take(ULAW)
    coded = sounds.of(bytes(bytearray(pcm)), ULAW)  # the same, and not the same object
    assert coded._read == PIECE
    assert len(sounds._kept) == 1


def test_what_was_heard_longest_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr("gateway.bridge.media.announcement.MOST_BYTES", 100_000)
    sounds = CodedSounds()
    for hz in range(5):
        sounds.of(bytes([hz]) * 40_000, ULAW)
    assert [key[0][0] for key in sounds._kept] == [3, 4]


def test_one_after_the_other_and_then_nothing():
    announcement = Announcement(CodedSounds())
    announcement.put(tone(0.1).tobytes())
    announcement.put(tone(0.05).tobytes())
    announcement.put(b"")
    assert not announcement.empty
    assert len(taken(announcement)) == 5 + 3
    assert announcement.empty
    assert announcement.flush(ULAW) == 160


def test_a_stop_fades_within_one_frame_and_says_how_much_was_heard():
    announcement = Announcement(CodedSounds())
    announcement.put(tone(1).tobytes())
    for _ in range(10):
        announcement.take(ULAW)
    assert announcement.flush(ULAW) == 200
    (tail,) = taken(announcement)
    samples = np.abs(ULAW.linear(tail))
    assert samples[:20].max() > 1000
    assert samples[40:].max() == 0
    announcement.put(tone(1).tobytes())
    announcement.flush(ULAW)  # before anything of it was heard
    assert announcement.empty


def test_a_pause_keeps_its_place():
    announcement = Announcement(CodedSounds())
    announcement.put(tone(1).tobytes())
    announcement.take(ULAW)
    announcement.pause(True, ULAW)
    assert len(taken(announcement)) == 1  # the fading
    assert not announcement.empty
    announcement.pause(False, ULAW)
    assert len(taken(announcement)) == 49


def test_a_codec_that_changes_goes_on_where_it_was():
    announcement = Announcement(CodedSounds())
    announcement.put(tone(0.1).tobytes())
    assert len(announcement.take(ULAW)) == 160
    assert len(announcement.take(WIDE)) == 640
    assert len(taken(announcement, WIDE)) == 3
