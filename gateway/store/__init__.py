"""What is remembered in Redis. This is the room's door."""

from gateway.store.calls import Calls
from gateway.store.connection import Store, StoreSettings, open_store

__all__ = ["Calls", "Store", "StoreSettings", "open_store"]
