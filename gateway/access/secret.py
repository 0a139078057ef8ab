"""The server's one secret. Keys and links are authenticated with what is derived from it."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from gateway.settings import GatewaySettings

_BYTES: Final = 32


class Secret:
    """``RACONTEUR_SECRET``, or 32 random bytes that are kept in ``data_dir/secret`` for its owner alone."""

    def __init__(self, settings: GatewaySettings) -> None:
        given = settings.secret
        self._root = given.get_secret_value().encode() if given else _kept(settings.data_dir / "secret")

    def mac(self, purpose: str, message: str) -> str:
        """HMAC-SHA256 of ``message`` in hex, by a key of its own for each ``purpose``."""
        key = hmac.digest(self._root, purpose.encode(), hashlib.sha256)
        return hmac.digest(key, message.encode(), hashlib.sha256).hex()

    def agrees(self, purpose: str, message: str, told: str) -> bool:
        """Is ``told`` the MAC of ``message``? Takes the same time whatever the answer is."""
        return hmac.compare_digest(self.mac(purpose, message), told)


def _kept(path: Path) -> bytes:
    """Made by whoever comes first; a gateway that starts at the same moment takes that one, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".secret.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
