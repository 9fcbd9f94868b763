import pytest

from gateway.rtp.quality import CONCEALED, R_BEST, mos, rating


@pytest.mark.parametrize(
    ("loss", "round_trip", "score"),
    [(0, 0, 4.39), (0, 0.1, 4.37), (0, 0.8, 2.77), (0.01, 0.05, 3.80), (0.05, 0.05, 2.04), (1, 1, 1.0)],
)
def test_scores_fall_with_loss_and_delay(loss, round_trip, score):
    assert mos(loss, round_trip) == pytest.approx(score, abs=0.06)


def test_the_table_of_the_standard():
    """G.107 annex B: R of 90, 80, 70, 60 and 50 are MOS of 4.34, 4.03, 3.60, 3.10 and 2.58."""
    for wanted, score in ((90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)):
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if rating(middle, 0) > wanted else (low, middle)
        assert mos(low) == pytest.approx(score, abs=0.01)


def test_concealment_makes_loss_bearable():
    """G.113: 3 % of loss cost 39 points without it and 10 with it."""
    assert rating(0, 0) - rating(0.03, 0) == pytest.approx(39, abs=0.5)
    assert rating(0, 0, CONCEALED) - rating(0.03, 0, CONCEALED) == pytest.approx(10.1, abs=0.5)


def test_nonsense_stays_within_the_scale():
    assert mos(-1, 0) == mos(0, 0)
    assert mos(5, 100) == 1.0
    assert rating(0, 0) < R_BEST
