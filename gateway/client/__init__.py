"""A typed client of the REST API.

``Raconteur`` waits for its answers, ``AsyncRaconteur`` has the same calls to await; docs/client.md shows both. Answers
are the API's own models. Every call raises ``ProblemError`` with the ``code`` that the gateway answered, or
``service_unavailable`` where nobody answers.
"""

from gateway.client.aio import AsyncRaconteur
from gateway.client.blocking import Raconteur

__all__ = ["AsyncRaconteur", "Raconteur"]
