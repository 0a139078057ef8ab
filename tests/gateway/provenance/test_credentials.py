"""Content credentials of a video."""

import io
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.provenance.certificate import Certificate, certificate
from gateway.provenance.credentials import Claim, read, sign
from services.common.errors import ProblemError
from tests.gateway.made_media import pictures

CLAIM = Claim("a job", "difftalk-small", {"portrait": "0" * 64, "speech": "1" * 64})


@pytest.fixture
def test_certificate(tmp_path: Path) -> Certificate:
    certificate.cache_clear()
    return certificate(tmp_path, None, None)


@pytest.fixture
def signed(tmp_path: Path, test_certificate: Certificate) -> bytes:
    (tmp_path / "plain.mp4").write_bytes(pictures(0, 10))
    sign(tmp_path / "plain.mp4", tmp_path / "signed.mp4", CLAIM, test_certificate)
    return (tmp_path / "signed.mp4").read_bytes()


def test_a_signed_video_says_what_it_is(signed: bytes, test_certificate: Certificate):
    found = read(io.BytesIO(signed), test_certificate.anchor)

    assert found is not None
    assert (found.state, found.claim) == ("trusted", CLAIM)
    assert b"compositeWithTrainedAlgorithmicMedia" in signed


def test_a_changed_video_is_told(signed: bytes, test_certificate: Certificate):
    changed = bytearray(signed)
    changed[changed.find(b"mdat") + 200] ^= 1

    found = read(io.BytesIO(changed), test_certificate.anchor)
    assert found is not None and found.state == "invalid"


def test_what_another_signed_is_valid_and_not_trusted(signed: bytes, tmp_path: Path):
    certificate.cache_clear()
    found = read(io.BytesIO(signed), certificate(tmp_path / "elsewhere", None, None).anchor)

    assert found is not None and found.state == "valid"


def test_a_video_without_credentials_has_none(test_certificate: Certificate):
    assert read(io.BytesIO(pictures(0, 2)), test_certificate.anchor) is None


def test_what_cannot_be_signed_is_not_given_out(tmp_path: Path, test_certificate: Certificate):
    (tmp_path / "plain.mp4").write_bytes(b"no video")

    with pytest.raises(ProblemError, match="cannot be signed"):
        sign(tmp_path / "plain.mp4", tmp_path / "signed.mp4", CLAIM, test_certificate)


def test_the_test_certificate_is_made_once_kept_secret_and_told_in_the_log(tmp_path: Path):
    certificate.cache_clear()
    with capture_logs() as logs:
        first = certificate(tmp_path, None, None)
        certificate.cache_clear()
        second = certificate(tmp_path, None, None)

    assert first == second and first.test
    assert [entry["event"] for entry in logs] == ["test_certificate_signs_videos"] * 2
    assert (tmp_path / "test-certificate.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("-newkey ec -pkeyopt ec_paramgen_curve:P-384", "es384"),
        ("-newkey rsa:2048", "ps256"),
        ("-newkey ed25519", "ed25519"),
    ],
)
def test_the_operators_own_certificate_is_used(tmp_path: Path, kind: str, algorithm: str):
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    made = f"openssl req -x509 -nodes {kind} -subj /CN=operator -keyout {key} -out {chain}"
    subprocess.run(made.split(), check=True, capture_output=True)

    found = certificate(tmp_path, chain, key)

    assert (found.algorithm, found.test) == (algorithm, False)
    with pytest.raises(ValueError, match="both or none"):
        certificate(tmp_path, chain, None)
