"""Where a key is needed."""

import pytest

from gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("host", "needed"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("192.0.2.1", True), ("box", True)],  # noqa: S104
)
def test_a_key_is_needed_unless_bound_to_the_loopback(host: str, needed: bool):
    assert GatewaySettings().keys_required_at(host) is needed
    assert GatewaySettings(keys_required=True).keys_required_at(host)
