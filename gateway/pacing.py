"""How often, and after what wait: a bucket of tokens, and waits that grow."""

from __future__ import annotations


class TokenBucket:
    """Lets `per_second` pass, and `burst` at once after a pause. It begins full, or with `left`; times are s."""

    def __init__(self, per_second: float, burst: float, now: float, left: float | None = None) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst if left is None else left, now

    def use(self, per_second: float, burst: float) -> None:
        """Other limits from now on."""
        self._per_second, self._burst = per_second, burst

    def take(self, now: float) -> float:
        """0 where one more may pass, else s after which it may."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._per_second
        self._left -= 1
        return 0.0


def backoff(attempt: int, first: float, longest: float, chance: float = 1.0, spread: float = 0.0) -> float:
    """s before try number `attempt`, of 1 and more: `first`, twice as long each time, at most `longest`.

    `chance`, 0 to 1, makes it shorter by up to `spread` of it, so that those who failed together do not come together.
    """
    return min(longest, first * 2.0 ** (attempt - 1)) * (1 - spread + spread * chance)
