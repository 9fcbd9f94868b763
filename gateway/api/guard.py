"""What every request passes: an id, its size, who asks, how often, and what is noted of it."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.auth import LOCAL, OURS, Allowance, Keys, Principal, bearer, is_local, role_for
from gateway.api.problems import problem
from gateway.store import Store

log = structlog.get_logger("gateway.api")

MAX_BODY = 1024 * 1024  # bytes
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class _Body:
    """Ends a body that comes in pieces and becomes too large, and keeps back whatever is answered to it then."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send, self._size = receive, send, 0

    @property
    def too_large(self) -> bool:
        return self._size > MAX_BODY

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.too_large else message

    async def send(self, message: Message) -> None:
        if not self.too_large:
            await self._send(message)


class Guard:
    """An ASGI application around another. `trust_local`: programs of this machine need no key."""

    def __init__(self, app: ASGIApp, store: Store, keys: Keys, allowance: Allowance, trust_local: bool) -> None:
        self._app, self._store, self._keys = app, store, keys
        self._allowance, self._trust_local = allowance, trust_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id
        status = [0]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                MutableHeaders(scope=message).append("x-request-id", request_id)
            await send(message)

        method = scope.get("method", "WEBSOCKET")
        who = await self._who(scope, headers)
        refusal = self._refusal(scope, headers, method, who)
        if refusal is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal[1][:120]})
            else:
                code, detail, extra = refusal
                await problem(code, detail, extra, request_id=request_id)(scope, receive, answer)
        else:
            scope["state"]["principal"] = who
            body = _Body(receive, answer)
            try:
                await self._app(scope, body.receive if scope["type"] == "http" else receive, body.send)
            except Exception:
                if not body.too_large:
                    raise
            if body.too_large:
                detail = f"the body is larger than {MAX_BODY} bytes"
                await problem(413, detail, request_id=request_id)(scope, receive, answer)
        if method not in ("GET", "HEAD", "OPTIONS"):
            self._note(scope, method, who, status[0], request_id)

    async def _who(self, scope: Scope, headers: Headers) -> Principal | None:
        client, key = scope.get("client"), bearer(headers)
        found = await self._keys.find(key) if key else None
        if found or key.startswith((OURS, "peer_")):
            return found
        # clients of OpenAI's always show a key: one that is none of ours says nothing about who asks
        return LOCAL if self._trust_local and client and is_local(client[0], headers) else None

    def _refusal(
        self, scope: Scope, headers: Headers, method: str, who: Principal | None
    ) -> tuple[int, str, dict[str, str]] | None:
        """Status, why, and headers; None where the request may pass."""
        role = role_for(method, scope["path"])
        if not role:
            return None
        if who is None:
            what = "this key is not known" if bearer(headers) else "a key is needed: Authorization: Bearer gw_..."
            return 401, f"{what}; gateway keys add makes one", {"WWW-Authenticate": "Bearer"}
        if not who.may(role):
            return 403, f"the key {who.name} may {who.role}; this needs {role}", {}
        wait = self._allowance.take(who.key_id or "local", time.monotonic())
        if wait:
            return 429, f"too many requests; again in {wait:.2f} s", {"Retry-After": str(max(1, round(wait)))}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return 413, f"the body is larger than {MAX_BODY} bytes", {}
        return None

    def _note(self, scope: Scope, method: str, who: Principal | None, status: int, request_id: str) -> None:
        client: Any = scope.get("client") or ("",)
        facts = {
            "key": who.key_id if who else "",
            "who": who.name if who else "",
            "remote": client[0],
            "method": method,
            "path": scope["path"],
            "status": status,
            "request_id": request_id,
        }
        log.info("api.command", **facts)
        if who:  # who shows no key cannot fill the audit either
            self._store.access.note(at=time.time(), **facts)
