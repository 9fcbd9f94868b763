"""A gateway of its own for a test, in this process, on ports that were free."""

from __future__ import annotations

import itertools
import os
import random
import socket
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.app import Gateway

needs_ears = pytest.mark.skipif(
    find_spec("pocketsphinx") is None, reason="no recogniser for this Python: the embedded server has no ears"
)
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(random.sample(range(10_000 + 600 * _worker, 10_600 + 600 * _worker), 600))


def free_port() -> int:
    """Free for UDP and TCP, and nobody else's until it is used: each worker has its own, below those of the system."""
    for port in _ports:
        with socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def until_ready(http: int) -> None:
    """Wait for a gateway in a process of its own. Raises TimeoutError."""
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{http}/ready", timeout=2)
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the gateway is not ready")


def settings_for(folder: Path, agents: dict[str, str], **values: Any) -> config.Settings:
    """`agents` by name: the text of their files. The first answers every number unless `routes` says otherwise."""
    for name, text in agents.items():
        (folder / f"{name}.yaml").write_text(text)
    base: dict[str, Any] = {
        "agents": str(folder),
        "sip": {"port": 0},
        "http": {"port": 0},
        "routes": [{"called": "*", "agent": next(iter(agents))}],
        "drain_seconds": 0,
    }
    return config.from_values(base | values)


@asynccontextmanager
async def running(settings: config.Settings) -> AsyncIterator[tuple[Gateway, list[tuple[str, dict[str, Any]]]]]:
    """The gateway, and every event that its calls tell: (type, data with outcome and so on)."""
    events: list[tuple[str, dict[str, Any]]] = []
    gateway = Gateway(settings)
    gateway.sinks.append(lambda event, record: events.append((event.type, event.data)))
    async with gateway:
        yield gateway, events
