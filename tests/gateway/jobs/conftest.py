"""The stores, for what reads and writes them."""

from tests.gateway.store.conftest import store

__all__ = ["store"]
