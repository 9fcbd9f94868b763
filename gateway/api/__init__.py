"""HTTP in front of the gateway. This is the room's door."""

from gateway.api.app import serve

__all__ = ["serve"]
