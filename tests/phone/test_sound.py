"""The microphone and the loudspeaker, with a sound card that is not there; calls with one are in e2e/test_phone.py."""

import sys
from types import SimpleNamespace

import pytest

from gateway.errors import ConfigError
from gateway.phone.sound import MOST, Sound


class Stream:
    def __init__(self, callback, **options):
        self.callback, self.options, self.open = callback, options, False

    def start(self):
        self.open = True

    def close(self):
        self.open = False


def test_frames_go_both_ways_and_do_not_pile_up(monkeypatch):
    good = SimpleNamespace(
        check_input_settings=lambda **_: None, check_output_settings=lambda **_: None, PortAudioError=OSError,
        RawInputStream=Stream, RawOutputStream=Stream,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "sounddevice", good)
    sound = Sound()
    microphone, loudspeaker = sound._streams
    assert microphone.open
    assert microphone.options["blocksize"] == 160
    assert sound.said() == b""
    for number in range(MOST + 5):
        microphone.callback(bytes([number]) * 320, 160, None, None)
        sound.hear(bytes([number]) * 320)
    assert [sound.said()[0] for _ in range(MOST)] == list(range(MOST))
    assert sound.said() == b""
    out = bytearray(320)
    loudspeaker.callback(out, 160, None, None)
    assert out[0] == 5  # what was older is passed over
    sound.close()
    assert not microphone.open


def test_no_sound_card_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match="needs sounddevice"):
        Sound()
