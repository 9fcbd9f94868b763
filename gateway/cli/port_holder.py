"""Who listens on a port, for the sentence that says that it is taken."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def holder_of(port: int) -> str:
    """Such as `gateway demo (process 4711)`; empty where it cannot be seen, as those of others without root."""
    import psutil

    with suppress(psutil.Error, OSError):
        for one in psutil.net_connections("inet"):
            listens = one.status == psutil.CONN_LISTEN or (one.type == socket.SOCK_DGRAM and not one.raddr)
            if one.pid and one.pid != os.getpid() and listens and one.laddr and one.laddr.port == port:
                return f"{_named(psutil.Process(one.pid).cmdline())} (process {one.pid})"
    return ""


def _named(command: list[str]) -> str:
    """As people call it: the program without its folder, and what it was told first."""
    words = [os.path.basename(command[0]), *command[1:]] if command else ["a program"]
    if len(words) > 1 and words[0].startswith("python"):  # a script: its own name is the second word
        words = [os.path.basename(words[1]), *words[2:]]
    return " ".join(words[:2])[:60]
