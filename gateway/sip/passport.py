"""What an Identity header claims (STIR/SHAKEN: RFC 8224, 8225, 8588). Read, not verified: that is for the carrier."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

MAX_CLAIMS = 8192  # characters of a token


def claims(identity: str) -> dict[str, str]:
    """`attest` (A, B or C), `orig`, `dest`, `origid` and `iat` of the first token; empty where it cannot be read."""
    token = identity.partition(";")[0].strip()
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MAX_CLAIMS:
        return {}
    try:
        payload = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(payload, dict):
        return {}
    found = {}
    for name in ("attest", "origid", "iat"):
        if isinstance(value := payload.get(name), str | int):
            found[name] = str(value)
    for name in ("orig", "dest"):
        if number := _number(payload.get(name)):
            found[name] = number
    return found


def _number(party: object) -> str:
    """`{"tn": "15550100"}` or `{"tn": ["15550100"]}`, or a URI instead (RFC 8225 section 5.2.1)."""
    if not isinstance(party, dict):
        return ""
    value = party.get("tn") or party.get("uri")
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""
