"""The server's one secret. Keys and links are authenticated with what is derived from it."""

import hashlib
import hmac
import secrets
from typing import Final

from gateway.disk import write_once
from gateway.settings import GatewaySettings

_BYTES: Final = 32


class Secret:
    """``RACONTEUR_SECRET``, or 32 random bytes that are kept in ``data_dir/secret`` for its owner alone."""

    def __init__(self, settings: GatewaySettings) -> None:
        given = settings.secret
        self._root = given.get_secret_value().encode() if given else write_once(settings.data_dir / "secret", _random)

    def mac(self, purpose: str, message: str) -> str:
        """HMAC-SHA256 of ``message`` in hex, by a key of its own for each ``purpose``."""
        key = hmac.digest(self._root, purpose.encode(), hashlib.sha256)
        return hmac.digest(key, message.encode(), hashlib.sha256).hex()

    def agrees(self, purpose: str, message: str, told: str) -> bool:
        """Is ``told`` the MAC of ``message``? Takes the same time whatever the answer is."""
        return hmac.compare_digest(self.mac(purpose, message), told)


def _random() -> bytes:
    return secrets.token_bytes(_BYTES)
