"""`gateway phone`: a telephone in the terminal, on PJSIP where there is one, else on the gateway's own stack.

What the agent says is printed: as the gateway tells it by its API, or else as the embedded ears hear it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.phone.errand import HZ, PhoneCall, check
from gateway.phone.words import Follows, Say

__all__ = ["HZ", "Follows", "PhoneCall", "Say", "call", "check"]


def call(errand: PhoneCall, say: Say, gateway: Follows | None = None) -> bool:
    """Do it, telling of every step; True when the call was answered. Raises ConfigError.

    `gateway` may know what the agent says.
    """
    check(errand)
    pj: Any = None
    if errand.stack != "own":
        try:
            import pjsua2

            pj = pjsua2
        except ImportError as error:
            if errand.stack == "pjsip":
                raise ConfigError("--stack", f"{_no_pjsip()}; leave it out, or say --stack own") from error
            say(f"{_no_pjsip()}: this is the gateway's own stack")
    with tempfile.TemporaryDirectory(prefix="gateway-phone-") as folder:
        if pj:
            from gateway.phone import pjsip

            return pjsip.call(pj, errand, say, Path(folder), gateway)
        from gateway.phone import own

        return own.call(errand, say, Path(folder), gateway)


def _no_pjsip() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info < (3, 13) and sys.platform == "linux":
        return "PJSIP is not installed (the extra phone)"
    return f"PJSIP has no wheel for Python {version} here"
