"""An owner's server, and the stores."""

from collections.abc import Iterator

import pytest

from tests.gateway.store.conftest import store
from tests.gateway.webhooks.receiver import Receiver, receiving

__all__ = ["store"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
