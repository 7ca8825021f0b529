"""Where a remote cache is: what Bazel's `--remote_cache` takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lading.errors import InputError

__all__ = ["Address", "parse"]

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Address:
    """A gRPC endpoint; `target` is in gRPC's own notation, without credentials."""

    scheme: str
    target: str

    @property
    def encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.scheme == "grpcs"

    @property
    def uri(self) -> str:
        """What a credential helper is asked about."""
        return f"https://{self.target}/google.bytestream.ByteStream"

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target[5:]}" if self.scheme == "unix" else self._url

    @property
    def _url(self) -> str:
        return f"{self.scheme}://{self.target}"


def parse(text: str) -> Address:
    """Reads `grpc://host:port`, `grpcs://host`, `unix:/path`; without a scheme it is `grpcs`.

    Raises InputError for anything else; caches that speak HTTP have no ByteStream service.
    """
    if text.startswith("unix:"):
        path = text[5:]
        path = "/" + path.lstrip("/")
        return Address("unix", f"unix:{path}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "grpcs", text
    if scheme not in ("grpc", "grpcs"):
        raise InputError(
            f"the remote cache {scheme}://… is not one that content can be streamed from",
            fix="give --remote_cache=grpc://host:port, or let Bazel download: the strategy eager",
        )
    target = rest.rstrip("/")
    if not _HOST.fullmatch(target):
        raise InputError(
            f"--remote_cache={scheme}://… does not name a host", fix="write grpc://host:port"
        )
    if not re.search(r":[0-9]+$", target):
        target += ":443" if scheme == "grpcs" else ":80"
    return Address(scheme, target)
