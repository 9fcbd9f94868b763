"""Our HTTP clients: they say who they are."""

from __future__ import annotations

import httpx

from gateway import USER_AGENT


def http_client(seconds: float = 5.0) -> httpx.AsyncClient:
    """`seconds` is the time limit of requests that name none."""
    return httpx.AsyncClient(timeout=seconds, headers={"User-Agent": USER_AGENT})
