"""What is remembered in Redis. This is the room's door."""

from gateway.store.calls import Calls
from gateway.store.connection import Store, StoreSettings, open_store
from gateway.store.keys import LEASE_SECONDS

__all__ = ["LEASE_SECONDS", "Calls", "Store", "StoreSettings", "open_store"]
