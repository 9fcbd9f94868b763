"""How long the certificates last that are shown to others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

SOON_DAYS = 14
"""Before a certificate ends it is said."""


def days_left(path: str, now: datetime | None = None) -> float:
    """Of the first certificate in a PEM file; below 0 where it has ended. Raises OSError, ValueError."""
    from cryptography import x509

    read = x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
    return (read.not_valid_after_utc - (now or datetime.now(UTC))).total_seconds() / 86400


class Certificates:
    """Those that are in use; read again after an hour, for somebody may have renewed them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, float]] = {}  # days left as of when, by path

    def days(self, paths: Iterable[str], now: float) -> dict[str, float]:
        """By path; what cannot be read is left out. `now` in s."""
        found = {}
        for path in paths:
            days, at = self._known.get(path, (0.0, -1e9))
            if now - at >= 3600:
                try:
                    days, at = days_left(path), now
                except (OSError, ValueError):
                    continue
                self._known[path] = days, at
            found[path] = days - (now - at) / 86400
        return found


def warnings_of(days: dict[str, float]) -> list[str]:
    """Of those that end soon, or have ended."""
    return [
        f"the certificate {path} " + (f"ends in {left:.1f} days" if left > 0 else f"ended {-left:.1f} days ago")
        for path, left in days.items()
        if left < SOON_DAYS
    ]
