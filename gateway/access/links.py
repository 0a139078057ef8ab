"""Signed links: for a while, whoever holds one may read one file or one job's result, stream, captions and events.

For players, browsers and apps that cannot send a key. A link dies with the key that made it.
"""

import re
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlencode

from gateway.access.secret import Secret

_PURPOSE: Final = "signed links"
_READABLE: Final = re.compile(r"(/v1/(?:files|jobs)/[^/]+)/(?:content|events|stream\.m3u8|stream/[^/]+|captions\.vtt)")


@dataclass(frozen=True)
class Link:
    """``key_id`` made it for ``resource`` (``/v1/files/{id}`` or ``/v1/jobs/{id}``); seconds since 1970."""

    resource: str
    key_id: str
    expires_at: int

    def query(self, secret: Secret) -> str:
        """What stands behind the "?" of the link."""
        signature = secret.mac(_PURPOSE, self._message())
        return urlencode({"expires": self.expires_at, "key": self.key_id, "signature": signature})

    def _message(self) -> str:
        return f"{self.resource}|{self.key_id}|{self.expires_at}"

    @classmethod
    def read(cls, path: str, query: str, secret: Secret) -> "Link | None":
        """The link by which ``path?query`` is asked for; None where it is none, not ours, or over."""
        found = _READABLE.fullmatch(path)
        told = {name: values[-1] for name, values in parse_qs(query).items()}
        expires = told.get("expires", "")
        if found is None or not (expires.isascii() and expires.isdecimal() and len(expires) < 12):
            return None
        link = cls(found[1], told.get("key", ""), int(expires))
        good = secret.agrees(_PURPOSE, link._message(), told.get("signature", ""))
        return link if good and time.time() < link.expires_at else None
