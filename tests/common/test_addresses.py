"""Where a call may go that a caller asked for, and that it goes nowhere else."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.common.addresses import OpenInternet, Resolve, is_public
from services.common.errors import ProblemError

PUBLIC = [
    "93.184.215.14",
    "8.8.8.8",
    "2606:2800:21f:cb07::1",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
PRIVATE = {
    "this host": "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "loopback": "127.0.0.1",
    "all of it": "127.255.255.254",
    "private A": "10.0.0.1",
    "private B": "172.16.0.1",
    "private C": "192.168.1.1",
    "carrier's": "100.64.0.1",
    "link-local, and the clouds' metadata": "169.254.169.254",
    "protocol assignments": "192.0.0.8",
    "documentation": "203.0.113.5",
    "benchmarks": "198.18.0.1",
    "6to4 relay": "192.88.99.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "v6 unspecified": "::",
    "v6 loopback": "::1",
    "v6 link-local": "fe80::1",
    "v6 link-local with its zone": "fe80::1%eth0",
    "v6 unique local": "fd00:ec2::254",
    "v6 site-local": "fec0::1",
    "v6 multicast": "ff0e::1",
    "v6 documentation": "2001:db8::1",
    "v6 new documentation": "3fff::1",
    "v4 mapped": "::ffff:127.0.0.1",
    "v4 mapped private": "::ffff:10.0.0.1",
    "v4 compatible": "::127.0.0.1",
    "v4 translated": "::ffff:0:127.0.0.1",
    "NAT64 of a private one": "64:ff9b::10.0.0.1",
    "NAT64 of one's own": "64:ff9b:1::1",
    "6to4 of a private one": "2002:7f00:1::",
    "Teredo": "2001:0:7f00:1::1",
}
NO_WAIT = httpx.Timeout(5.0)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_open_internet_may_be_called(address: str):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE)
async def test_what_is_inside_may_not(address: str):
    with pytest.raises(ProblemError, match="open internet") as refused:
        await OpenInternet(resolve=names(address)).check("https://innocent.example/hook", "url")

    assert (refused.value.code, refused.value.param) == ("address_refused", "url")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.0.0.1", "017700000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost"],
)
async def test_no_spelling_of_this_machine_may_be_called(host: str):
    with pytest.raises(ProblemError, match="open internet"):
        await OpenInternet().check(f"https://{host}/hook", "url")


async def test_one_inner_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(ProblemError, match="open internet"):
        await OpenInternet(resolve=names("8.8.8.8", "10.0.0.1")).check("https://two.example", "url")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://a.example/", "https"),
        ("ftp://a.example/", "https"),
        ("file:///etc/passwd", "no host"),
        ("gopher://a.example/", "https"),
        ("https:///path", "no host"),
        ("a.example", "no host"),
        ("https://ann:secret@a.example/", "user name"),
        ("https://a.example/" + "x" * 2000, "longer"),
        ("https://a.example:99999/", "port"),
        ("https://[::1/", "no URL"),
    ],
)
async def test_a_url_of_another_form_is_refused_and_told_why(url: str, rule: str):
    with pytest.raises(ProblemError, match=rule) as refused:
        await OpenInternet(resolve=names("8.8.8.8")).check(url, "url")

    assert "secret" not in refused.value.detail


async def test_a_name_without_an_address_is_refused():
    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(ProblemError, match="has no address"):
        await OpenInternet(resolve=nowhere).check("https://gone.example", "url")


async def test_where_it_is_allowed_this_machine_may_be_called_by_http_and_others_still_not():
    rule = OpenInternet(loopback=True, resolve=names("127.0.0.1"))
    await rule.check("http://here.example:8080/", "url")

    for address, scheme in (("10.0.0.1", "https"), ("8.8.8.8", "http")):
        with pytest.raises(ProblemError):
            await OpenInternet(loopback=True, resolve=names(address)).check(f"{scheme}://other.example", "url")


async def test_a_name_that_changes_its_answer_reaches_no_other_address(origin: "Origin"):
    """DNS rebinding: public when it is looked at, this machine when it is called."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    rule = OpenInternet(resolve=rebinding)
    await rule.check(f"https://rebinding.example:{origin.port}/", "url")
    async with rule.client(NO_WAIT) as client:
        with pytest.raises(ProblemError, match="open internet"):
            await client.get(f"https://rebinding.example:{origin.port}/")

    assert origin.heads == []


async def test_the_call_goes_to_the_address_that_was_looked_at_under_the_name(origin: "Origin"):
    """``origin`` is asked by a name that no resolver knows; the next address is tried where one does not answer."""
    async with OpenInternet(loopback=True, resolve=names("127.0.0.2", "127.0.0.1")).client(NO_WAIT) as client:
        answer = await client.post(f"http://origin.example:{origin.port}/hook", content=b"told")

    assert (answer.status_code, answer.text) == (302, "seen")
    [head] = origin.heads
    assert head.startswith("POST /hook HTTP/1.1")
    assert f"Host: origin.example:{origin.port}" in head


async def test_redirects_are_not_followed(origin: "Origin"):
    async with OpenInternet(loopback=True).client(NO_WAIT) as client:
        answer = await client.get(f"http://127.0.0.1:{origin.port}/")

    assert answer.status_code == 302
    assert len(origin.heads) == 1


async def test_a_proxy_of_the_environment_is_not_asked(origin: "Origin", monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with OpenInternet(loopback=True).client(NO_WAIT) as client:
        assert (await client.get(f"http://127.0.0.1:{origin.port}/")).text == "seen"


async def test_the_certificate_must_be_that_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The connection goes to an address; it is still the name that the certificate must hold."""
    server = make_certificate("right.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    async with (
        serving(server) as origin,
        OpenInternet(loopback=True, resolve=names("127.0.0.1")).client(NO_WAIT) as client,
    ):
        assert (await client.get(f"https://right.example:{origin.port}/")).text == "seen"
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await client.get(f"https://wrong.example:{origin.port}/")


async def test_a_resolver_that_hangs_is_not_waited_for():
    async def hanging(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with OpenInternet(resolve=hanging).client(httpx.Timeout(5.0, connect=0.01)) as client:
        with pytest.raises(httpx.ConnectTimeout, match="not resolved"):
            await client.get("https://slow.example")


def names(*addresses: str) -> Resolve:
    """A resolver that knows one answer."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@dataclass
class Origin:
    """A web server that notes what it is asked, and sends every caller elsewhere."""

    port: int = 0
    heads: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 4\r\n\r\nseen")
        writer.close()


@asynccontextmanager
async def serving(certificate: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    origin = Origin()
    async with await asyncio.start_server(origin.answer, "127.0.0.1", 0, ssl=certificate) as server:
        origin.port = server.sockets[0].getsockname()[1]
        yield origin


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as origin:
        yield origin


def make_certificate(name: str, folder: Path) -> ssl.SSLContext:
    """For a server called ``name``; signed by itself, and left in ``folder`` for who shall trust it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    named = dated.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    signed = named.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
        key, hashes.SHA256()
    )
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
