"""What the process may have open: sockets and files (RLIMIT_NOFILE, getrlimit(2))."""

from __future__ import annotations

import resource

MOST = 1 << 20
"""More is not asked for, whatever the hard limit allows."""

EACH_CALL = 3
"""RTP, RTCP and the provider's WebSocket."""

OTHERS = 2500
"""SIP and HTTP connections, Redis, files."""


def raise_open_files() -> int:
    """Take as many as the hard limit allows, for the usual soft limit of 1,024 is full at 300 calls. The limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST if soft == resource.RLIM_INFINITY else soft


def needed(calls: int) -> int:
    """For so many calls at once."""
    return EACH_CALL * calls + OTHERS
