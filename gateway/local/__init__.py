"""The embedded Realtime server: a provider that needs no account and no network.

This is the package's public interface.
"""

from gateway.local.ears import NO_EARS, dictate_file, missing_ears
from gateway.local.process import LocalProcess
from gateway.local.script import Rule, Script
from gateway.local.server import LocalServer, LocalSettings

__all__ = ["NO_EARS", "LocalProcess", "LocalServer", "LocalSettings", "Rule", "Script", "dictate_file", "missing_ears"]
