"""The settings of a session: what the server has, what it was asked for, and the updates that it has not answered yet.

OpenAI Realtime, `session.update`: updates are taken in order, each as a whole or not at all. `session.updated` does not
say which one it answers: it is the oldest. An `error` names the `event_id` of the one that it refuses.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace

from gateway.realtime.openai.dialects import SessionConfig


@dataclass(frozen=True, slots=True)
class Update:
    """One that was sent: the settings named in `changed`, on the way to `config`. A probe has no `config`."""

    config: SessionConfig | None
    changed: frozenset[str]


def differences(one: SessionConfig, other: SessionConfig) -> set[str]:
    """Names of the settings in which the two differ."""
    return {name for name in _NAMES if getattr(one, name) != getattr(other, name)}


_NAMES = [one.name for one in fields(SessionConfig)]


class Updates:
    """One session's. `standing` is the last configuration that the server has in full, `wanted` the newest of all."""

    def __init__(self, config: SessionConfig, changes: Collection[str]) -> None:
        self._changes = frozenset(changes)  # settings that may change within a session
        self.has = config  # what the server has, by its answers
        self.standing = self.wanted = config
        self._pending: dict[str, Update] = {}  # by event_id, oldest first

    def sent(self, event_id: str, config: SessionConfig | None, changed: Collection[str]) -> None:
        self._pending[event_id] = Update(config, frozenset(changed))
        if config is not None:
            self.wanted = config

    def unchanged(self, config: SessionConfig) -> bool:
        """Take `config` as standing where the server has all of it already; False where it has to be asked."""
        if self._pending or self._missing(config):
            return False
        self.standing = self.wanted = config
        return True

    @property
    def pending(self) -> bool:
        """An update that changes something is not answered yet."""
        return any(one.config is not None for one in self._pending.values())

    @property
    def probing(self) -> bool:
        return any(one.config is None for one in self._pending.values())

    def oldest(self) -> str:
        """Its event_id; empty where all are answered."""
        return next(iter(self._pending), "")

    def is_probe(self, event_id: str) -> bool:
        return event_id in self._pending and self._pending[event_id].config is None

    def accepted(self) -> None:
        """`session.updated`: the oldest was taken."""
        if not self._pending:
            return  # the server's own idea
        update = self._pending.pop(self.oldest())
        if update.config is None:
            return
        self.has = replace(self.has, **{name: getattr(update.config, name) for name in update.changed})
        if not self._missing(update.config):
            self.standing = update.config

    def refused(self, event_id: str) -> None:
        """That one, and no other. Where it was the newest, the one before it is wanted again."""
        update = self._pending.pop(event_id, None)
        if update is None or update.config is not self.wanted:
            return
        if update.config is self.standing:  # it was to undo another one: nothing more can be done
            self.has = self.standing
        before = [one.config for one in self._pending.values() if one.config is not None]
        self.wanted = before[-1] if before else self.standing

    def due(self) -> set[str]:
        """Settings that have to be sent, once all is answered, for the server to have what is wanted."""
        return set() if self.pending else self._missing(self.wanted)

    def _missing(self, config: SessionConfig) -> set[str]:
        return differences(self.has, config) & self._changes
