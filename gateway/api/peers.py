"""What another node of the gateway has on its disk."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
from fastapi import HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from gateway.app import Gateway
from gateway.web import http_client


async def from_other(gateway: Gateway, request: Request, whose: str, what: str) -> Response:
    """What lies on the disk of another node, by its own API; `whose` is the node's id or name. Raises HTTPException."""
    alive = await gateway.store.nodes.alive()
    node = next((one for one in alive if whose in (one["id"], one.get("name"))), None)
    if node is None or node["id"] == gateway.store.me or not node.get("http"):
        raise HTTPException(404, f"{what} is not on this node, and {whose} is gone")
    url = f"{node['http']}{request.url.path}"
    keep = {name: value for name, value in request.headers.items() if name == "range"}
    keep["authorization"] = f"Bearer {await gateway.store.access.peer_key()}"
    client = http_client(10.0)
    try:
        answer = await client.send(
            client.build_request("GET", url, headers=keep, params=request.query_params), stream=True
        )
    except httpx.HTTPError as error:
        await client.aclose()
        raise HTTPException(504, f"{node['id']} does not answer: {error}") from error

    async def body() -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_bytes():
                yield piece
        finally:
            await answer.aclose()
            await client.aclose()

    passed = {name: answer.headers[name] for name in ("content-length", "content-range") if name in answer.headers}
    return StreamingResponse(body(), answer.status_code, passed, answer.headers.get("content-type"))
