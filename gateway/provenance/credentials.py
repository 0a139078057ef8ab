"""Content credentials (C2PA 2) of a made video: signed by AI, from which inputs, by which model."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final

import c2pa

from gateway.provenance.certificate import Certificate
from services.common.errors import ProblemError

_MP4: Final = "video/mp4"
JOB_ASSERTION: Final = "org.raconteur.job"
_MADE_BY_AI: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC: a composite of a real picture and what a trained model made."""


@dataclass(frozen=True)
class Claim:
    """What is said of a video. ``inputs``: SHA-256 of each."""

    job_id: str
    model: str
    inputs: dict[str, str]

    def manifest(self) -> dict[str, Any]:
        """As C2PA has it: made by a trained model, by which one, of what."""
        agent = {"name": f"Raconteur talking head, {self.model}", "version": version("raconteur")}
        created = {"action": "c2pa.created", "digitalSourceType": _MADE_BY_AI, "softwareAgent": agent}
        return {
            "claim_generator_info": [{"name": "Raconteur", "version": version("raconteur")}],
            "title": "video.mp4",
            "format": _MP4,
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": [created]}},
                {"label": JOB_ASSERTION, "data": {"job": self.job_id, "model": self.model, "inputs": self.inputs}},
            ],
        }


@dataclass(frozen=True)
class Credentials:
    """What a file carries. ``state``: "trusted" (ours or anchored by our authority), "valid" (somebody's), "invalid"
    (the file or its credentials were changed since)."""

    state: str
    signed_by: str
    claim: Claim | None


def sign(source: Path, target: Path, claim: Claim, certificate: Certificate) -> None:
    """Write ``source`` (MP4) with its credentials to ``target``. Nothing may change the file after this.

    Raises ``internal`` where it cannot be signed: a video without credentials is not given out.
    """
    info = c2pa.C2paSignerInfo(certificate.algorithm, certificate.chain.encode(), certificate.key.encode(), None)
    try:
        with source.open("rb") as read_from, target.open("w+b") as write_to:
            c2pa.Builder(claim.manifest()).sign(c2pa.Signer.from_info(info), _MP4, read_from, write_to)
    except c2pa.C2paError as error:
        raise ProblemError("internal", f"the video's content credentials cannot be signed: {error}") from error


def read(stream: BinaryIO, anchor: str) -> Credentials | None:
    """The credentials of an MP4; None where it has none. Asks nobody on the network."""
    told = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "trust": {"trust_anchors": anchor},
    }
    try:
        context = c2pa.Context(c2pa.Settings.from_dict(told))
        reader = c2pa.Reader(_MP4, stream, context=context)
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        return Credentials("invalid", f"nobody ({type(error).__name__})", None)
    manifest = reader.get_active_manifest() or {}
    signed_by = (manifest.get("signature_info") or {}).get("common_name", "")
    return Credentials(str(reader.get_validation_state()).lower(), signed_by, _claim(manifest))


def _claim(manifest: dict[str, Any]) -> Claim | None:
    for assertion in manifest.get("assertions", []):
        if assertion.get("label") == JOB_ASSERTION:
            data: dict[str, Any] = json.loads(json.dumps(assertion["data"]))
            return Claim(str(data.get("job")), str(data.get("model")), dict(data.get("inputs") or {}))
    return None
