"""What went wrong, as a client is told it: application/problem+json (RFC 9457), with the id of the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway import errors
from gateway.document import explain

log = structlog.get_logger("gateway.api")

STATUS: dict[type[errors.GatewayError], int] = {
    errors.NoSuchCall: 404,
    errors.WrongState: 409,
    errors.BadCommand: 422,
    errors.NoSuchAgent: 422,
    errors.NoSuchTrunk: 422,
    errors.NoWay: 422,
    errors.SipParseError: 422,
    errors.Draining: 503,
    errors.NodeSilent: 504,
    errors.StoreUnavailable: 503,
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """`more` are members of its own: `state` of the call, `errors` by field."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, dict(headers or {}), "application/problem+json")


def about(error: errors.GatewayError) -> JSONResponse:
    status, more = STATUS.get(type(error), 500), dict[str, Any]()
    text = error.problem if isinstance(error, errors.SipParseError) else str(error)
    if isinstance(error, errors.WrongState):
        more = {"state": error.state, "call_id": error.call_id}
    elif isinstance(error, errors.BadCommand):
        more = {"errors": [{"field": error.field, "problem": error.problem}]}
    return problem(status, text, {"Retry-After": "5"} if status == 503 else {}, **more)


def methods_of(api: FastAPI, path: str) -> set[str]:
    """All that a path takes (RFC 9110 section 10.2.1), by the OpenAPI document: each route knows only its own."""
    return {
        method.upper()
        for template, operations in api.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        for method in operations
    }


def _field(one: dict[str, Any]) -> str:
    """Where it is, without the part of the request that it is in."""
    steps = [str(step) for step in one["loc"] if step not in ("body", "query", "path", "header")]
    return ".".join(steps) if steps and one["type"] != "json_invalid" else "body"


def install(api: FastAPI) -> None:
    """Every error of the API becomes one of these."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.GatewayError)
        return about(error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = [{"field": _field(one), "problem": explain(one)} for one in error.errors()]
        return problem(422, "; ".join(f"{one['field']}: {one['problem']}" for one in found), errors=found)

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = sorted(methods_of(api, request.url.path)) or ["GET"]
            return problem(405, f"{request.method} is not for this; these are: {', '.join(allowed)}",
                           {"Allow": ", ".join(allowed)})  # fmt: skip
        if error.status_code == 400 and request.method in ("POST", "PUT", "PATCH"):  # bytes that are no text
            return problem(422, "body: is not JSON in UTF-8", errors=[{"field": "body", "problem": "is not JSON"}])
        return problem(error.status_code, str(error.detail), error.headers)

    async def bug(request: Request, error: Exception) -> JSONResponse:
        log.exception("api.bug", path=request.url.path, exc_info=error)
        return problem(500, f"a fault of the gateway's: {type(error).__name__}")

    api.add_exception_handler(errors.GatewayError, ours)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(HTTPException, refused)
    api.add_exception_handler(Exception, bug)
