"""What the command line asks of a gateway that runs: by HTTP, as anybody else could."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from gateway import USER_AGENT, events
from gateway.errors import ApiError, plain


class Remote:
    """A gateway by its `url`, with a `key` where it wants one. Raises ApiError for what it does not take."""

    def __init__(self, url: str, key: str = "") -> None:
        self._url, self._key = url.rstrip("/"), key

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", _with(path, query))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._ask("POST", path, body or {})

    def delete(self, path: str, **query: Any) -> Any:
        return self._ask("DELETE", _with(path, query))

    def id_of(self, given: str) -> str:
        """The whole id of a call by its beginning, as lists show it. Raises ApiError where it fits several."""
        if re.fullmatch("call_[0-9a-f]{16}", given) or not re.fullmatch("(call_)?[0-9a-f]{4,16}", given):
            return given
        wanted = f"call_{given.removeprefix('call_')}"
        found = [one["call_id"] for one in self.get("/v1/calls", q=wanted, limit=5)["data"]]
        found = [one for one in found if one.startswith(wanted)]
        if len(found) > 1:
            raise ApiError(given, f"is the beginning of several calls: {', '.join(found)}")
        return found[0] if found else given

    def follow(self, path: str) -> Iterator[dict[str, Any]]:
        """Server-sent events, until their end."""
        with self._open("GET", path, None, {"Accept": "text/event-stream"}, seconds=60) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with self._open(method, path, body, {}, seconds=15) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def _open(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str], seconds: float
    ) -> Any:
        url, data = self._url + path, json.dumps(body).encode() if body is not None else None
        known = {"Content-Type": "application/json", "User-Agent": USER_AGENT} | (
            {"Authorization": f"Bearer {self._key}"} if self._key else {}
        )
        try:
            request = urllib.request.Request(url, data, known | headers, method=method)
            return urllib.request.urlopen(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            try:
                detail = json.loads(text)["detail"]
            except (ValueError, KeyError, TypeError):
                detail = text[:200] or str(error)
            raise ApiError(url, str(detail)) from error
        except (OSError, ValueError) as error:
            why = plain(getattr(error, "reason", None) or error).lower()
            problem = f"no gateway answers there ({why}): start one with gateway serve, or name it with --url"
            raise ApiError(self._url, problem) from error


def dial(gateway: Remote, order: dict[str, Any], show: Callable[[str], None]) -> bool:
    """Place a call and follow it; whether somebody answered."""
    call_id = gateway.post("/v1/calls", order)["call_id"]
    show(call_id)
    try:
        return tail(gateway, call_id, lambda event, line: show(line))
    except KeyboardInterrupt:
        with suppress(ApiError):  # it may have ended by itself
            gateway.delete(f"/v1/calls/{call_id}")
        show("hung up")
        raise


def tail(gateway: Remote, call_id: str, show: Callable[[dict[str, Any], str], None]) -> bool:
    """Every event of a call to its end, with a line that says it; whether it was answered."""
    began, answered = 0.0, False
    for event in gateway.follow(f"/v1/calls/{call_id}/events"):
        began = began or event["at"]
        answered = answered or event["type"] == events.Answered.type
        show(event, line_of(event, began))
    return answered


def line_of(event: dict[str, Any], began: float) -> str:
    data = event["data"]
    what = (
        data["text"]
        if event["type"] == events.Transcript.type
        else " ".join(f"{key}={value}" for key, value in data.items())
    )
    who = f" {data['role']}" if event["type"] == events.Transcript.type else ""
    return f"{event['at'] - began:7.2f} {event['type']}{who}: {what}".rstrip(": ")


def _with(path: str, query: dict[str, Any]) -> str:
    wanted = {name: value for name, value in query.items() if value not in ("", None, False)}
    return path + (f"?{urllib.parse.urlencode(wanted)}" if wanted else "")
