from gateway.bridge.media import levels
from gateway.bridge.media.levels import SAMPLES_A_SECOND, Levels


def test_both_voices_in_turn_until_the_end():
    kept = Levels()
    kept.sample({"a": (-20, -90)})
    kept.sample({"a": (3, -100), "b": (0, 0)})
    assert kept.so_far("a") == bytes([70, 0, 93, 0])
    assert kept.take("a") == bytes([70, 0, 93, 0])
    assert kept.take("a") == kept.so_far("a") == b""
    assert kept.take("b") == bytes([90, 90])


def test_a_call_that_never_ends_costs_no_more(monkeypatch):
    monkeypatch.setattr(levels, "MOST_SECONDS", 2)
    kept = Levels()
    for _ in range(100):
        kept.sample({"a": (-20, -20)})
    assert len(kept.take("a")) == 2 * 2 * SAMPLES_A_SECOND
