"""HTTP in front of the gateway. This is the package's public interface."""

from gateway.api.app import serve

__all__ = ["serve"]
