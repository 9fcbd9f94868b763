"""How long this gateway lets people wait, as it sees that itself: for words to leave, and for words to stop."""

from __future__ import annotations

from bisect import bisect_left

MOST = 200
"""Of each kind that are kept of one call."""

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # s


class LatencyStats:
    """Of one leg; times in s. What `send` is told of leaves at that moment."""

    def __init__(self) -> None:
        self.first_word_ms: list[float] = []  # from the first delta of an answer to its first packet
        self.silence_ms: list[float] = []  # from an interruption to the last packet of the old words
        self._asked: float | None = None
        self._hushed: float | None = None
        self._last = 0.0

    def asked(self, now: float) -> None:
        """Words come where there were none."""
        if self._asked is None:
            self._asked = now

    def hushed(self, now: float) -> None:
        """What is being said has to stop."""
        self._asked = None
        if self._hushed is None:
            self._hushed = self._last = now

    @property
    def waits(self) -> bool:
        return self._asked is not None or self._hushed is not None

    def sent(self, talking: bool, now: float) -> None:
        if self._hushed is not None:
            if talking and self._asked is None:
                self._last = now
            else:
                _keep(self.silence_ms, self._last - self._hushed)
                self._hushed = None
        if talking and self._asked is not None:
            _keep(self.first_word_ms, now - self._asked)
            self._asked = None

    def stats(self) -> dict[str, list[float]]:
        """For the record."""
        found = {"first_word_ms": self.first_word_ms, "silence_ms": self.silence_ms}
        return {name: values for name, values in found.items() if values}


class DelayHistogram:
    """Counted by BUCKETS, for what happens too often to be kept one by one."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus wants it: how many took at most so long."""
        found, so_far = [], 0
        for bucket, count in zip((*map(str, BUCKETS), "+Inf"), self._counts, strict=True):
            so_far += count
            found.append((bucket, float(so_far)))
        return found


def _keep(values: list[float], seconds: float) -> None:
    if len(values) < MOST:
        values.append(round(seconds * 1000, 1))
