"""The embedded Realtime server: a provider that needs no account and no network.

This is the package's public interface.
"""

from gateway.local.process import LocalProcess
from gateway.local.script import Rule, Script
from gateway.local.server import LocalServer, LocalSettings

__all__ = ["LocalProcess", "LocalServer", "LocalSettings", "Rule", "Script"]
