"""The OpenAPI document, complete enough to generate a client from: errors, security, webhooks.

What every operation has in common is added here, and not said at each.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import Field, create_model

from gateway import __version__
from gateway.api.auth import role_for
from gateway.api.models import WEBHOOKS, Answer, Iso, Problem, fields_of
from gateway.call_record import Epoch
from gateway.events import EVENTS

DESCRIPTION = """
Calls of any node, from any node. Errors are `application/problem+json` (RFC 9457) and say what to do; every answer has
an `X-Request-Id`. Programs of the same machine need no key where `http.auth` is `auto`.
"""

MEANINGS = {
    401: "No key, or one that is not known.",
    403: "A key whose role does not reach.",
    404: "There is no such thing.",
    409: "Not in the state that the call is in; or the first request with this Idempotency-Key has not ended.",
    413: "The body is too large.",
    422: "A field that cannot be; `errors` names each.",
    429: "Too many requests: see Retry-After.",
    503: "Redis is away, or the node takes no new calls: see Retry-After.",
    504: "The node that has the call does not answer.",
}

ALWAYS = (401, 403, 413, 422, 429)
"""Whatever is asked for."""


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer beside what every one may."""
    return {code: _problem(code) for code in codes}


def _problem(code: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    waits = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return {"description": MEANINGS[code], "content": content} | ({"headers": waits} if code in (429, 503) else {})


def operation_id(route: APIRoute) -> str:
    """As one would name the function of a client."""
    return route.name


def install(api: FastAPI) -> None:
    for kind, data in WEBHOOKS.items():
        _webhook(api, kind, data)

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _build(api)
        return api.openapi_schema

    api.openapi = document  # type: ignore[method-assign]


def _webhook(api: FastAPI, kind: str, data: type[Any]) -> None:
    name = "".join(part.title() for part in kind.split("."))
    body = create_model(
        f"{name}Webhook",
        __base__=Answer,
        __doc__=f"{kind}, signed after Standard Webhooks where the webhook has a secret.",
        id=(str, Field(description="The same each time that this event is delivered.")),
        type=(Literal[kind], kind),  # type: ignore[arg-type]
        created_at=(Epoch, ...),
        created_time=(Iso, ...),
        data=(data, ...),
    )

    def receive(body: Any) -> None:
        """Any 2xx takes it; 410 asks for no more of it; all else is tried again."""

    receive.__name__, receive.__annotations__["body"] = f"on_{kind.replace('.', '_')}", body
    api.webhooks.post(kind, tags=["webhooks"])(receive)


def _build(api: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title="voice-agent-gateway",
        version=__version__,
        description=DESCRIPTION,
        routes=api.routes,
        webhooks=api.webhooks.routes,
        servers=[{"url": "/", "description": "The node that this document is from."}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas |= _schemas_of(Problem)
    for kind in EVENTS.values():
        schemas |= _schemas_of(create_model(f"{kind.__name__}Data", __doc__=kind.__doc__, **fields_of(kind)))
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "gateway keys add NAME makes one."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    found["security"] = [{"key": []}, {"header": []}]
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(operation, role_for(method.upper(), path), method)
    for operations in found.get("webhooks", {}).values():
        for operation in operations.values():
            operation["responses"] = {"2XX": {"description": "It has arrived."}}
            operation["security"] = []
    return found


def _complete(operation: dict[str, Any], role: str, method: str) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    if not role:
        operation["security"] = []
        return
    operation["description"] = f"{operation.get('description', '')}\n\nNeeds a key that may {role}.".strip()
    for code in ALWAYS:
        if (code == 413 and "requestBody" not in operation) or str(code) in answers:
            continue
        answers[str(code)] = _problem(code)
    operation["responses"] = dict(sorted(answers.items()))


def _schemas_of(model: type[Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    inner = schema.pop("$defs", {})
    return {**inner, model.__name__: schema}
