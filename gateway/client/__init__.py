"""A typed client of the REST API.

>>> from gateway.client import Raconteur
>>> with Raconteur("http://127.0.0.1:8000") as raconteur:
...     job = raconteur.video(Path("portrait.jpg"), consent, text="Good morning.")
...     done = raconteur.wait(job.id, on_change=lambda job: print(job.stage, job.progress))
...     raconteur.download(job.id, Path("talk.mp4"))

``AsyncRaconteur`` has the same calls to await. Answers are the API's own models. Every call raises ``ProblemError``
with the ``code`` that the gateway answered, or ``service_unavailable`` where nobody answers.
"""

from gateway.client.aio import AsyncRaconteur
from gateway.client.blocking import Raconteur

__all__ = ["AsyncRaconteur", "Raconteur"]
