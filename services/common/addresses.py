"""Calls to addresses that callers name (webhooks, inputs by URL): to the open internet only, never to what is inside.

A name is resolved once, every address it has is looked at, and the connection goes to such an address and no other: a
name that changes its answer in between (DNS rebinding) gains nothing. Redirects are not followed.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from services.common.errors import ProblemError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) -> its addresses. Raises ``OSError`` where it has none."""

_LONGEST_URL: Final = 2000
_RESOLVE_S: Final = 5.0
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All that was ever given to the internet: outside lie loopback, link-local, site-local, unique local, multicast."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC: Final = (
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays, given up
    ipaddress.ip_network("2001::/23"),  # protocol assignments, with Teredo, which carries IPv4 inside
    ipaddress.ip_network("2002::/16"),  # 6to4, which carries IPv4 inside
    ipaddress.ip_network("3fff::/20"),  # documentation
)
"""What ``is_global`` holds for public, at least in some versions of Python."""


def is_public(address: Address) -> bool:
    """Does ``address`` lie on the open internet? One that carries an IPv4 address inside is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)


async def resolve(host: str, port: int) -> list[str]:
    """By the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class OpenInternet:
    """The rule. ``loopback`` lets this machine be named, too, and by plain http: for development and tests."""

    def __init__(self, *, loopback: bool = False, resolve: Resolve = resolve) -> None:
        self._loopback, self._resolve = loopback, resolve

    async def check(self, url: str, param: str) -> None:
        """May ``url`` be called, as its name resolves now? Raises ``address_refused``."""
        try:
            async with asyncio.timeout(_RESOLVE_S):
                await self.addresses(httpx.URL(url), param)
        except httpx.InvalidURL as error:
            raise _refused(param, url, f"is no URL ({error})") from None
        except TimeoutError:
            raise _refused(param, url, f"was not resolved within {_RESOLVE_S:.0f} s") from None

    async def addresses(self, url: httpx.URL, param: str = "url") -> list[str]:
        """The addresses by which ``url`` may be called. Raises ``address_refused``."""
        host = url.raw_host.decode("ascii")
        if len(str(url)) > _LONGEST_URL:
            raise _refused(param, url, f"is longer than {_LONGEST_URL} characters")
        if not host:
            raise _refused(param, url, "names no host")
        if url.userinfo:
            raise _refused(param, url.copy_with(userinfo=b""), "holds a user name or password")
        if url.scheme not in (("https", "http") if self._loopback else ("https",)):
            raise _refused(param, url, "does not begin with https://")
        port = (443 if url.scheme == "https" else 80) if url.port is None else url.port
        if not 0 < port < 65536:
            raise _refused(param, url, f"has the port {port}, which is not in 1..65535")
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise _refused(param, url, f"the name {host!r} has no address") from None
        for address in found:
            self._judge(ipaddress.ip_address(address), url, param)
        return found

    def _judge(self, address: Address, url: httpx.URL, param: str) -> None:
        if self._loopback and address.is_loopback:
            return
        if url.scheme != "https":
            raise _refused(param, url, "is plain http to another machine; use https")
        if not is_public(address):
            # The address itself is not told: it would let a caller map what is inside.
            raise _refused(param, url, "leads to an address that is not on the open internet")

    def client(self, timeout: httpx.Timeout) -> httpx.AsyncClient:
        """A client that keeps the rule for every connection. Its calls raise ``address_refused`` and httpx's errors.

        ``timeout`` holds for each wait; whoever fears a slow answer bounds its whole time and size, too.
        """
        return httpx.AsyncClient(transport=_Pinned(self), timeout=timeout, follow_redirects=False, trust_env=False)


class _Pinned(httpx.AsyncBaseTransport):
    """Connects to an address that was looked at; ``Host`` and the certificate stay those of the name."""

    def __init__(self, rule: OpenInternet) -> None:
        self._rule = rule
        # No proxy of the environment (the client is told so); an own list of authorities by SSL_CERT_FILE is heeded.
        # A connection that is kept would be used for another name at the same address.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        try:
            async with asyncio.timeout(request.extensions["timeout"]["connect"]):
                addresses = await self._rule.addresses(url)
        except TimeoutError:
            raise httpx.ConnectTimeout(f"the name {url.host!r} was not resolved in time", request=request) from None
        request.extensions |= {"sni_hostname": url.raw_host.decode("ascii")}
        *others, last = addresses
        for address in others:
            request.url = url.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet
        request.url = url.copy_with(host=last)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _refused(param: str, url: str | httpx.URL, why: str) -> ProblemError:
    told = str(url)
    told = told if len(told) <= 100 else told[:97] + "..."
    return ProblemError("address_refused", f"{param}: {told!r} {why}", param=param)
