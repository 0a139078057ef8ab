"""The stores of jobs and of files, for what reads and writes them."""

from tests.gateway.objects.conftest import objects, s3, s3_session
from tests.gateway.store.conftest import store

__all__ = ["objects", "s3", "s3_session", "store"]
