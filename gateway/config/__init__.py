"""The gateway's file and environment as settings. This is the package's public interface."""

from gateway.config.load import DEMO, Settings, chat_keys, from_file, from_values, unwritable, warnings_of

__all__ = ["DEMO", "Settings", "chat_keys", "from_file", "from_values", "unwritable", "warnings_of"]
