"""Our HTTP clients: they say who they are."""

from __future__ import annotations

import httpx

from gateway import USER_AGENT


def http_client(seconds: float = 5.0, verify: bool = True) -> httpx.AsyncClient:
    """`seconds` is the time limit of requests that name none; without `verify` any certificate will do."""
    return httpx.AsyncClient(timeout=seconds, verify=verify, headers={"User-Agent": USER_AGENT})
