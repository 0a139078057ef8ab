"""The certificate that signs content credentials: the operator's, or one for development that nobody trusts."""

import datetime
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.disk import write_once
from gateway.settings import GatewaySettings

_TEST_FILE: Final = "test-certificate.pem"
_DAYS: Final = 3650

log = structlog.get_logger()


@dataclass(frozen=True)
class Certificate:
    """``chain``: PEM, the signer's certificate and then those above it. ``test``: made here, trusted nowhere else."""

    chain: str
    key: str
    algorithm: str
    test: bool

    @property
    def anchor(self) -> str:
        """The uppermost certificate of the chain, PEM."""
        *_, last = x509.load_pem_x509_certificates(self.chain.encode())
        return last.public_bytes(Encoding.PEM).decode()


@lru_cache(maxsize=4)
def certificate(folder: Path, chain: Path | None, key: Path | None) -> Certificate:
    """The operator's ``chain`` and ``key``; without them one for development, kept in ``folder``, said so in the log.

    Raises ValueError where only one of the two is given or the key is of no kind that C2PA signs with.
    """
    if (chain is None) != (key is None):
        raise ValueError("RACONTEUR_C2PA_CERTIFICATE, RACONTEUR_C2PA_KEY: give both or none")
    if chain is not None and key is not None:
        return _read(chain.read_text(), key.read_text(), test=False)
    pem = write_once(folder / _TEST_FILE, _make_test_pem).decode()
    log.warning("test_certificate_signs_videos", file=_TEST_FILE, set="RACONTEUR_C2PA_CERTIFICATE, RACONTEUR_C2PA_KEY")
    begin = pem.index("-----BEGIN PRIVATE KEY-----")
    return _read(pem[:begin], pem[begin:], test=True)


def certificate_of(settings: GatewaySettings) -> Certificate:
    """What signs this gateway's videos."""
    return certificate(settings.data_dir, settings.c2pa_certificate, settings.c2pa_key)


def _read(chain: str, key: str, *, test: bool) -> Certificate:
    private = load_pem_private_key(key.encode(), password=None)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}[private.curve.name]
    elif isinstance(private, rsa.RSAPrivateKey):
        algorithm = "ps256"
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        algorithm = "ed25519"
    else:
        raise ValueError(f"RACONTEUR_C2PA_KEY: {type(private).__name__} is no key that C2PA signs with")
    return Certificate(chain, key, algorithm, test)


def _make_test_pem() -> bytes:
    """A signer's certificate below an authority of its own (C2PA refuses a self-signed signer), and the signer's key.

    The authority's key is thrown away: it signs nothing else.
    """
    authority_key, signer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, signer_name = _name("Raconteur test authority"), _name("Raconteur test signer")
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    signer = (
        _certificate(signer_name, authority_name, signer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signer.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM) + key


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Raconteur, for development only"),
        ]
    )


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
