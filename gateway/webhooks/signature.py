"""Secrets of endpoints and what they sign (https://www.standardwebhooks.com).

A secret is derived from the server's own and stored nowhere: who reads the database can sign nothing.
"""

import base64
import time
from datetime import UTC, datetime
from typing import Final

from standardwebhooks.webhooks import Webhook

from gateway.access.secret import Secret
from gateway.store.webhooks import Endpoint

_PURPOSE: Final = "webhooks"
OVERLAP_S: Final = 24 * 3600.0
"""For so long after a rotation messages carry the old secret's signature, too."""


def secret_of(root: Secret, endpoint: Endpoint) -> str:
    """The endpoint's current secret, ``whsec_...``: 32 bytes."""
    return _secret(root, endpoint.id, endpoint.generation)


def headers(root: Secret, endpoint: Endpoint, message_id: str, body: str) -> dict[str, str]:
    """Id, time and signatures of one try."""
    now = datetime.now(UTC).replace(microsecond=0)
    generations = [endpoint.generation]
    if endpoint.rotated_at is not None and time.time() < endpoint.rotated_at + OVERLAP_S:
        generations.append(endpoint.generation - 1)
    signers = [Webhook(_secret(root, endpoint.id, generation)) for generation in generations]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(message_id, now, body) for signer in signers),
    }


def _secret(root: Secret, endpoint_id: str, generation: int) -> str:
    derived = bytes.fromhex(root.mac(_PURPOSE, f"{endpoint_id}|{generation}"))
    return f"whsec_{base64.b64encode(derived).decode()}"
