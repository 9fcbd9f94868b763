import numpy as np

from gateway.bridge.media.overheard import BEFORE_MS, MOST_MS, Overheard
from gateway.codecs import g711

PIECE = np.full(480, 1000, "<i2").tobytes()  # 20 ms


def test_a_second_is_kept_before_a_voice_and_twenty_with_it():
    overheard = Overheard()
    for _ in range(200):
        overheard(PIECE)
    assert len(overheard.take()) == BEFORE_MS * 48
    assert overheard.take() == b""
    overheard.voiced = True
    for _ in range(1500):
        overheard(PIECE)
    assert len(overheard.take()) == MOST_MS * 48


def test_it_is_given_as_the_provider_takes_it():
    overheard = Overheard()
    overheard(PIECE * 10)
    overheard.pass_on(g711.ULAW)
    overheard(g711.ULAW.quiet(160))
    coded = overheard.take()
    assert len(coded) == 1600 + 160
    assert abs(int(g711.ULAW.linear(coded)[800]) - 1000) < 50
