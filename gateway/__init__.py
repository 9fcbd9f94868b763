"""Puts Realtime voice agents on the telephone. docs/architecture.md tells where everything is."""

__version__ = "0.1.0"
