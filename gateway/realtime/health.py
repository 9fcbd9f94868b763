"""Which providers answer, as all calls of the node find out together; and how long to wait before the next try.

Sans-I/O: a provider that failed several times in a row is asked last for a while, then one call tries it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.pacing import TokenBucket, backoff

FAILURES = 3
"""In a row, after which a provider counts as down; one is enough where it refused."""

SHORTEST, LONGEST = 10.0, 120.0
"""Seconds that it is left alone; twice as long with every trial that fails."""

TRIAL_SECONDS = 5.0
"""In which only one call tries whether it is back."""

FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
"""Seconds between tries of one call."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    rest: float = SHORTEST
    until: float = 0.0  # it is left alone
    trial: float = 0.0  # until when somebody is trying it
    refusal: str = ""  # its words, where it says no to all of us: to the key, or for lack of money


SESSIONS_A_SECOND, SESSIONS_AT_ONCE = 20.0, 100.0
"""That all calls of the node together may begin in place of broken ones."""


class Health:
    """All providers, by name. `now` is a monotonic clock in s."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._begun = TokenBucket(SESSIONS_A_SECOND, SESSIONS_AT_ONCE, now())
        self._states: dict[str, _State] = {}

    def may_begin(self) -> bool:
        """Whether one more session may be begun in place of a broken one: a node does not storm a provider."""
        return not self._begun.take(self._now())

    def is_down(self, name: str) -> bool:
        """It is left alone for now."""
        state = self._states.get(name)
        return state is not None and state.until > self._now()

    def order(self, names: Sequence[str]) -> list[str]:
        """In which to try them: as given, those that are down last. Whoever asks becomes the one who tries."""
        now, up, down = self._now(), list[str](), list[str]()
        for name in names:
            state = self._states.get(name)
            if state is None or not state.until:
                up.append(name)
            elif state.until <= now and state.trial <= now:
                state.trial = now + TRIAL_SECONDS
                up.append(name)
            else:
                down.append(name)
        return up + down

    def succeeded(self, name: str) -> None:
        self._states.pop(name, None)

    @property
    def refused(self) -> dict[str, str]:
        """Providers that say no to all of us, and why; one that is to be tried again is given another chance."""
        now = self._now()
        return {name: state.refusal for name, state in self._states.items() if state.refusal and state.until > now}

    def failed(self, name: str, refused: str = "") -> None:
        """`refused`: it answered, and said no, in these words; what helps is not to ask again soon."""
        state = self._states.setdefault(name, _State())
        state.refusal = refused
        state.failures += FAILURES if refused else 1
        if state.failures >= FAILURES:
            if state.until:
                state.rest = min(2 * state.rest, LONGEST)
            state.until, state.trial = self._now() + state.rest, 0.0


def wait(attempt: int, chance: float) -> float:
    """Seconds before try number `attempt`, of 1 and more; `chance`, 0 to 1, keeps calls from coming all at once."""
    return backoff(attempt, FIRST_WAIT, LONGEST_WAIT, chance, spread=0.5)
