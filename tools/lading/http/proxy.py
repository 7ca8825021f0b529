"""Forward proxies from the environment, as other clients read it."""

from __future__ import annotations

import base64
import os
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from lading.errors import InputError
from lading.http.origin import Origin
from lading.record import record

__all__ = ["Proxy", "proxy_for"]


@record
class Proxy:
    """An HTTP proxy; `authorization` is the value of Proxy-Authorization or empty."""

    host: str
    port: int
    authorization: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What a CONNECT request carries."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(origin: Origin) -> Proxy | None:
    """The proxy of `http_proxy`/`https_proxy` for an origin that `no_proxy` does not except.

    Loopback is never proxied. Raises InputError for a value that is no proxy.
    """
    if origin.is_loopback:
        return None
    # HTTP_PROXY in capitals is left alone: in a CGI program a request header sets it.
    names = [f"{origin.scheme}_proxy"] + (["HTTPS_PROXY"] if origin.scheme == "https" else [])
    text = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not text or _excepted(origin, os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")):
        return None
    return _parse(text)


@lru_cache(maxsize=8)
def _parse(text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme != "http":
        raise InputError("the proxy in the environment is not an http:// URL with a host")
    authorization = ""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(user.encode()).decode()
    return Proxy(host, port or 80, authorization)


def _excepted(origin: Origin, exceptions: str) -> bool:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    names = (origin.host, host, f"{host}:{origin.port}")
    for item in exceptions.replace(",", " ").split():
        name = item.lower().removeprefix("*").lstrip(".")
        if item == "*" or any(own == name or own.endswith(f".{name}") for own in names):
            return True
        if _contains(name, origin.host):
            return True
    return False


def _contains(network: str, host: str) -> bool:
    """Whether an address is in a network written as 10.0.0.0/8."""
    if "/" not in network:
        return False
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
