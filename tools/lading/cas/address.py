"""Where a remote cache is: what Bazel's `--remote_cache` takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lading.errors import InputError
from lading.http.origin import Origin, is_loopback_name

__all__ = ["Address", "parse"]

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?")
_HTTP = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Address:
    """A cache, without credentials.

    Attributes:
        scheme: how it is spoken to: `grpc`, `grpcs`, `unix` (gRPC too), `http`, `https`.
        target: host and port in gRPC's own notation.
        path: what comes before `/cas/` in a URL; empty for gRPC.
    """

    scheme: str
    target: str
    path: str = ""

    @property
    def speaks_http(self) -> bool:
        """Whether content is a GET away, and no call of gRPC."""
        return self.scheme in _HTTP

    @property
    def encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.scheme in ("grpcs", "https")

    @property
    def is_loopback(self) -> bool:
        """Whether the name alone says that it is on this machine."""
        host = re.sub(r":[0-9]+$", "", self.target).strip("[]")
        return self.scheme == "unix" or is_loopback_name(host)

    @property
    def uri(self) -> str:
        """What a credential helper is asked about."""
        if self.speaks_http:
            return f"{self}/cas/"
        return f"https://{self.target}/google.bytestream.ByteStream"

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix:{self.target[5:]}"
        return f"{self.scheme}://{self.target}{self.path}"


def parse(text: str) -> Address:
    """Reads `grpc://host:port`, `grpcs://host`, `unix:/path`, `http://host:port/path`, `https://…`.

    Without a scheme it is `grpcs`. Raises InputError for anything else, and for an address that
    holds a password.
    """
    if text.startswith("unix:"):
        path = text[5:]
        path = "/" + path.lstrip("/")
        return Address("unix", f"unix:{path}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "grpcs", text
    if scheme in _HTTP:
        return _http(scheme, rest)
    if scheme not in ("grpc", "grpcs"):
        raise InputError(
            f"the remote cache {scheme:.20}://… is not one that content can be streamed from",
            fix="give --remote_cache=grpc://host:port or https://host, or use the strategy eager",
        )
    target = rest.rstrip("/")
    if not _HOST.fullmatch(target):
        raise InputError(
            f"--remote_cache={scheme}://… does not name a host", fix="write grpc://host:port"
        )
    if not re.search(r":[0-9]+$", target):
        target += ":443" if scheme == "grpcs" else ":80"
    return Address(scheme, target)


def _http(scheme: str, rest: str) -> Address:
    authority = rest.partition("/")[0]
    if "@" in authority:
        raise InputError(
            f"--remote_cache={scheme}://… holds a login, which would be in every list of processes",
            fix="give a credential helper, --credential_helper=PROGRAM",
        )
    try:
        origin, target = Origin.split(f"{scheme}://{rest}")
    except InputError:
        origin = None
    if origin is None or "?" in rest or "#" in rest:
        raise InputError(
            f"--remote_cache={scheme}://… is no address of a cache",
            fix=f"write {scheme}://host:port/path",
        )
    return Address(scheme, origin.authority, target.rstrip("/"))
