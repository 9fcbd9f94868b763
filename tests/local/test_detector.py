import numpy as np

from gateway.local.detector import PATIENCE_MS, WINDOW, Pause, Silero, Started, Stopped, Turns, TurnSettings


def run(settings, probabilities):
    feed = iter(probabilities)
    turns = Turns(lambda _: next(feed), settings)
    return [event for _ in probabilities if (event := turns.push(np.zeros(WINDOW, np.int16)))]


def test_a_turn_begins_with_two_windows_and_ends_with_silence():
    settings = TurnSettings(prefix_padding_ms=64, silence_duration_ms=96)
    events = run(settings, [0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
    assert events == [Started(32), Stopped(12 * 32)]


def test_one_loud_window_is_a_click():
    assert run(TurnSettings(), [0, 1, 0, 1, 0, 0]) == []


def test_semantic_turns_pause_once_and_wait_for_the_rest():
    settings = TurnSettings(kind="semantic_vad", patience_ms=1600)
    events = run(settings, [1, 1] + [0] * 60)
    assert events == [Started(0), Pause(), Stopped((2 + 50) * 32)]
    assert PATIENCE_MS["low"] > PATIENCE_MS["auto"] > PATIENCE_MS["high"]


def test_silero_knows_speech_from_silence_and_noise(spoken):
    detector = Silero()
    audio = spoken("what are your opening hours")
    windows = audio[: len(audio) // WINDOW * WINDOW].reshape(-1, WINDOW)
    probabilities = np.array([detector(window) for window in windows])
    assert probabilities[:8].max() == 0
    assert (probabilities > 0.5).mean() > 0.4
    noise = np.random.default_rng(2).normal(0, 300, (60, WINDOW)).astype(np.int16)
    quiet = Silero()
    assert np.median([quiet(window) for window in noise]) < 0.2
