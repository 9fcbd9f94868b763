import numpy as np

from gateway.local.mouth import mouth


def test_it_speaks_at_any_rate_and_speed():
    slow, fast = mouth().speak("good morning", speed=0.7), mouth().speak("good morning", speed=1.4)
    assert 0.3 < len(fast) / 24000 < len(slow) / 24000 < 3
    assert np.abs(slow).max() > 5000
    narrow = mouth().speak("good morning", speed=0.7, hz=8000)
    assert abs(len(narrow) - len(slow) / 3) < 200
    assert not len(mouth().speak(""))


def test_an_unknown_voice_is_spoken_anyway_and_voices_differ():
    text = "Our carpenter, Mister Carter, works hard in the bathroom."
    unknown, american, british = (len(mouth().speak(text, voice=name)) for name in ("no-such-voice", "en-us", "en"))
    assert unknown == american != british
