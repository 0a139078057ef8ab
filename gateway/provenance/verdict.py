"""Did we make this file, from which job, and was it changed since?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.disk import file_sha256
from gateway.provenance.certificate import Certificate
from gateway.provenance.credentials import Credentials
from gateway.provenance.look import look
from gateway.store.audit import AuditStore
from services.common.limited import Limited, Limits
from services.common.watermark import Reading, mark_of, threshold

FALSE_POSITIVES: Final = 1e-6
"""Chance that a watermark is found in a video that has none, over all jobs it is compared with."""

LOOK: Final = Limited(look, Limits(seconds=120))


@dataclass(frozen=True)
class Mark:
    """The watermark that agrees best. It is found where ``score`` exceeds ``threshold``."""

    job_id: str | None
    score: float
    threshold: float

    @property
    def found(self) -> bool:
        return self.score > self.threshold


@dataclass(frozen=True)
class Verdict:
    """``changed`` is None where we did not make it. ``job_id`` may be of a job that was erased."""

    made_here: bool
    job_id: str | None
    changed: bool | None
    credentials: Credentials | None
    mark: Mark


def judge(path: Path, audit: AuditStore, certificate: Certificate) -> Verdict:
    """Raises ``unsupported_media`` where ``path`` is no video that can be decoded.

    Unchanged is what a job's audit record has the SHA-256 of. Content credentials lead to the job while they are there
    and whole; where they are gone, the watermark does.
    """
    seen = LOOK(path, certificate.anchor, param="video")
    mark = best_mark(seen.reading, audit)
    claimed = _claimed_job(seen.credentials, audit)
    job_id = claimed or (mark.job_id if mark.found else None)
    changed = None if job_id is None else file_sha256(path) not in audit.results(job_id)
    return Verdict(job_id is not None, job_id, changed, seen.credentials, mark)


def best_mark(reading: Reading, audit: AuditStore) -> Mark:
    """The job whose mark agrees best with what was read."""
    best, best_score, compared = None, 0.0, 0
    for jobs in audit.jobs():
        scores = reading.scores([mark_of(job_id) for job_id in jobs])
        compared += len(jobs)
        if scores.max() > best_score:
            best, best_score = jobs[int(scores.argmax())], float(scores.max())
    return Mark(best, round(best_score, 2), round(threshold(compared, FALSE_POSITIVES), 2))


def _claimed_job(credentials: Credentials | None, audit: AuditStore) -> str | None:
    """The job that trusted credentials name, if the audit log knows it: anybody may write a claim, only we sign it."""
    if credentials is None or credentials.claim is None or credentials.state != "trusted":
        return None
    return credentials.claim.job_id if audit.entries(credentials.claim.job_id) else None
