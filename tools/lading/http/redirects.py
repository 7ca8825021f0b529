"""Where a redirect may lead, and what goes along."""

from __future__ import annotations

import socket
from urllib.parse import urljoin

from lading.errors import InputError, UnreachableError
from lading.http.messages import Request, Response, TransportError
from lading.http.origin import Nearness, Origin, nearness
from lading.record import replace

__all__ = [
    "REDIRECTS",
    "check_addresses",
    "follow",
    "not_followed",
    "same_origin",
    "too_near",
]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What another host may see of a request: nothing about who asks.
_HARMLESS = frozenset({"accept", "range"})


def follow(request: Request, response: Response) -> Request:
    """The next request of a chain of redirects; only GET and HEAD are ever led elsewhere.

    Another origin is asked anonymously, and may not lie further inside the network than the
    server that sent us there. Raises UnreachableError.
    """
    if request.method not in ("GET", "HEAD"):
        raise not_followed(request)
    origin, target = _resolve(request, response.header("Location"), "redirects to")
    if request.origin.scheme == "https" and origin.scheme != "https":
        raise UnreachableError(f"{request.origin} redirects to {origin}, which is not encrypted")
    if origin == request.origin:
        return replace(request, target=target)
    headers = {name: value for name, value in request.headers.items() if name.lower() in _HARMLESS}
    inside = response.peer if response.peer is not None else Nearness.PUBLIC
    nearest = inside if request.nearest is None else min(inside, request.nearest)
    return Request(request.method, origin, target, headers, nearest=nearest)


def not_followed(request: Request) -> UnreachableError:
    """What to raise when a request that changes something is led elsewhere."""
    return UnreachableError(
        f"{request.origin} redirects a {request.method}, which is not followed",
        fix="address the registry by the name it answers under",
    )


def check_addresses(origin: Origin, bound: Nearness) -> None:
    """Refuses a name that leads too far inside before a single packet goes there.

    Raises UnreachableError, and TransportError for a name that does not resolve.
    """
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise TransportError(f"cannot connect to {origin}: the name does not resolve") from None
    for *_, address in found:
        if (near := nearness(str(address[0]))) > bound:
            raise too_near(origin, near)


def too_near(origin: Origin, near: Nearness) -> UnreachableError:
    """What to raise when a redirect leads to an address further inside than it may."""
    return UnreachableError(
        f"a redirect to {origin} leads to a {near.name.lower().replace('_', '-')} address",
        fix="a registry may not send its clients further inside than it is itself",
    )


def same_origin(request: Request, location: str, what: str) -> str:
    """The target of a Location or Link that has to stay with the registry.

    Args:
        request: the request that was answered.
        location: the URL in the answer, relative or absolute; its query is kept.
        what: names its role in the UnreachableError raised for another origin.
    """
    origin, target = _resolve(request, location, f"gives as {what}")
    if origin != request.origin:
        raise UnreachableError(
            f"{request.origin} gives as {what} {origin}, which is another server",
            fix="a registry behind a proxy has to know the address that its clients use",
        )
    return target


def _resolve(request: Request, location: str, verb: str) -> tuple[Origin, str]:
    if not location:
        raise UnreachableError(f"{request.origin} {verb} nowhere: the header is missing")
    try:
        # Before urljoin, which drops or repairs what Origin.split would refuse.
        if any(char <= " " or char > "~" or char == "\\" for char in location):
            raise InputError(f"{location.partition('?')[0]!r:.120} is not a URL")
        return Origin.split(urljoin(f"{request.origin}{request.target}", location))
    except (InputError, ValueError) as error:
        text = error.what if isinstance(error, InputError) else str(error)
        raise UnreachableError(f"{request.origin} {verb} something else: {text}") from None
