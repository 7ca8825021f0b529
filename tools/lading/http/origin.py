"""Where requests go: scheme, host and port, and how close to this machine that is."""

from __future__ import annotations

import enum
import ipaddress
import re
from urllib.parse import urlsplit

from lading.errors import InputError
from lading.record import record

__all__ = ["Nearness", "Origin", "is_loopback_name", "nearness"]

_PORTS = {"http": 80, "https": 443}
# How networks without IPv4 reach it (NAT64, RFC 6052): the address is in the last 32 bits.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# What a request line may carry; urlsplit itself drops tabs and newlines without a word. A
# backslash means different hosts to different readers.
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


@record
class Origin:
    """A web origin. Credentials, connections and trust are keyed by all three parts."""

    scheme: str
    host: str
    port: int

    @staticmethod
    def of_registry(registry: str, *, insecure: bool = False) -> Origin:
        """The origin of `host[:port]`: HTTPS, or plain HTTP for loopback and where allowed.

        Raises InputError for a port that is none.
        """
        scheme = "http" if insecure or is_loopback_name(_host(registry)) else "https"
        return Origin.split(f"{scheme}://{registry}/")[0]

    @staticmethod
    def split(url: str) -> tuple[Origin, str]:
        """Splits an absolute URL into its origin and its path with query.

        Raises InputError for anything but http and https, for a URL with user information
        (it would smuggle credentials), and for characters that a request line cannot carry.
        """
        # Messages leave out the query, which may hold signatures and tokens.
        shown = url.partition("?")[0]
        if not _PRINTABLE.fullmatch(url):
            raise InputError(f"{shown!r:.200} is not a URL")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise InputError(f"{shown!r:.200} is not a URL") from None
        if parts.scheme not in _PORTS or not host:
            raise InputError(f"{shown!r:.200} is not an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise InputError(f"a URL for {host} carries a user name, which is never followed")
        if port == 0:
            raise InputError(f"{shown!r:.200} has the port 0")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Origin(parts.scheme, host, port or _PORTS[parts.scheme]), target

    @property
    def authority(self) -> str:
        """`host[:port]`, the port left out when it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the name alone says that this is the local machine."""
        return is_loopback_name(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Nearness(enum.IntEnum):
    """How far inside an address is; a server may not send us further inside than it is."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    LINK_LOCAL = 3


def nearness(address: str) -> Nearness:
    """Classes an IP address. Link-local is innermost: cloud metadata services live there."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _TRANSLATED:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.is_loopback or ip.is_unspecified:
        return Nearness.LOOPBACK
    if ip.is_link_local or ip.is_multicast or ip.is_reserved:
        return Nearness.LINK_LOCAL
    return Nearness.PUBLIC if ip.is_global else Nearness.PRIVATE


def is_loopback_name(host: str) -> bool:
    """Whether `host` is `localhost`, below it (RFC 6761), or a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(registry: str) -> str:
    if registry.startswith("["):
        return registry[1:].partition("]")[0]
    return registry.partition(":")[0].lower()
