"""Ends that always come to their end: every step is taken, whatever the ones before it raised."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger("gateway")


def finish(what: object, *steps: Callable[[], object]) -> None:
    """Take all `steps` in order. What one raises is logged with `what` is being ended, and stops no other."""
    for step in steps:
        try:
            step()
        except Exception:  # an end is no place for faults: what is held here would be held for ever
            log.exception("gateway.end_failed", what=str(what), step=getattr(step, "__qualname__", repr(step)))
