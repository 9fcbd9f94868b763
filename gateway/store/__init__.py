"""What is remembered in Redis. This is the package's public interface."""

from gateway.store.calls import Calls
from gateway.store.client import check_url
from gateway.store.connection import Store, StoreSettings, about_server, open_store
from gateway.store.keys import LEASE_SECONDS

__all__ = ["LEASE_SECONDS", "Calls", "Store", "StoreSettings", "about_server", "check_url", "open_store"]
