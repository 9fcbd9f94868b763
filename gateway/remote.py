"""What the command line asks of a gateway that runs: by HTTP, as anybody else could."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from gateway.errors import ConfigError

POLL_SECONDS = 0.25


def dial(url: str, order: dict[str, Any], show: Callable[[str], None]) -> bool:
    """Place a call and follow it; whether somebody answered. Raises ConfigError where the gateway does not take it."""
    call_id = _ask(f"{url}/v1/calls", "POST", order)["call_id"]
    show(call_id)
    shown = 0
    try:
        while True:
            record = _ask(f"{url}/v1/calls/{call_id}", "GET")
            for event in record["events"][shown:]:
                show(_line(event, record["started_at"]))
            shown = max(shown, len(record["events"]))
            if record["state"] == "ended" and record["events"] and record["events"][-1]["type"] == "ended":
                return bool(record.get("answered_at"))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _ask(f"{url}/v1/calls/{call_id}", "DELETE")
        raise


def _line(event: dict[str, Any], began: float) -> str:
    data = event["data"]
    what = data["text"] if event["type"] == "transcript" else " ".join(f"{key}={value}" for key, value in data.items())
    who = f" {data['role']}" if event["type"] == "transcript" else ""
    return f"{event['at'] - began:7.2f} {event['type']}{who}: {what}".rstrip(": ")


def _ask(url: str, method: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")
        try:
            detail = json.loads(text)["detail"]
        except (ValueError, KeyError, TypeError):
            detail = text[:200]
        if isinstance(detail, list):  # of the checks of fields
            detail = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in detail)
        raise ConfigError(url, str(detail)) from error
    except (OSError, ValueError) as error:
        problem = f"no gateway answers there ({error}): start one with gateway serve, or name it with --url"
        raise ConfigError(url, problem) from error
