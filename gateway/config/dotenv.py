"""The file `.env` beside the gateway's: secrets, one NAME=VALUE a line, as Docker Compose and others read it."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv.parser import parse_stream

from gateway.errors import ConfigError

_taken: dict[str, str] = {}
"""What stands in the environment of this process because a file said so."""


def read_dotenv(path: Path) -> None:
    """Its variables go into the environment, where that has none of the name; what it said before and no longer says
    is gone. A file that is not there, or not for us, says nothing. Raises ConfigError, and then all is as it was.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            lines = list(parse_stream(stream))
    except (FileNotFoundError, PermissionError):  # a service's secrets are for its manager, who has read them
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        problem = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else (error.strerror or str(error)).lower()
        raise ConfigError(str(path), f"cannot be read: {problem}") from error
    for one in lines:
        if one.error or (one.key is not None and one.value is None):
            raise ConfigError(str(path), "is not NAME=VALUE", line=one.original.line)
    found = {one.key: one.value for one in lines if one.key and one.value}
    for name, value in _taken.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    _taken.clear()
    for name, value in found.items():
        if not os.environ.get(name):
            os.environ[name] = _taken[name] = value
