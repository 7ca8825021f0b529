"""Bearer tokens: what to ask a token server, and what its answer means.

The protocol is the one of the distribution project (docs/spec/auth/token.md, oauth.md): GET with
Basic credentials, or a POST that trades an identity token.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from lading.errors import (
    CorruptError,
    DeniedError,
    InputError,
    LadingError,
    LimitError,
    UnreachableError,
)
from lading.http.messages import Request, TransportError
from lading.http.origin import Origin
from lading.http.retry import RETRY_STATUSES, Attempts, Budget
from lading.http.transport import Transport
from lading.oci import document
from lading.registry import answers
from lading.registry.caps import MAX_TOKEN_BYTES
from lading.registry.challenge import Challenge
from lading.registry.credentials import Credential

__all__ = ["Realm", "Token", "ask", "check_realm", "fetch", "read"]

# RFC 6750: b64token. Anything else could break out of the header.
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_LIFETIME = 60
_CLIENT = "lading"


@dataclass(frozen=True, slots=True)
class Realm:
    """A token server that may be asked on behalf of a registry.

    `beside` is the registry, where the token server is another port of its host.
    """

    origin: Origin
    target: str
    service: str
    beside: Origin | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """`expires` is on the clock of time.monotonic, a margin before the server's own idea."""

    text: str = field(repr=False)
    expires: float


def check_realm(challenge: Challenge, registry: Origin, allowed: Iterable[Origin]) -> Realm:
    """Decides whether the server that a challenge names may see our credentials.

    It may if it is the registry itself, the registry's host on another port with both sides on
    HTTPS, or one that the user configured. Raises DeniedError.
    """
    text = challenge.parameters.get("realm", "")
    try:
        origin, target = Origin.split(text)
    except InputError as error:
        raise DeniedError(f"{registry} asks to log in, but {error.what}") from None
    if registry.scheme == "https" and origin.scheme != "https":
        raise DeniedError(
            f"{registry} asks to log in at {origin}, which is not encrypted",
            fix="the registry's token server has to use https",
        )
    beside = origin.host == registry.host and origin.scheme == registry.scheme == "https"
    if origin != registry and not beside and origin not in allowed:
        raise DeniedError(
            f"{registry} asks to log in at {origin}, which is another server",
            fix=f"if that is its token server, allow it: --realm={origin}, or LADING_REALMS",
        )
    service = challenge.parameters.get("service", "")
    return Realm(origin, target, service, registry if beside else None)


def ask(realm: Realm, scopes: Iterable[str], credential: Credential | None) -> Request:
    """The request for a token with `scopes`, one `scope` parameter each."""
    if credential is not None and credential.identity_token:
        form = [
            ("grant_type", "refresh_token"),
            ("service", realm.service),
            ("client_id", _CLIENT),
            ("scope", " ".join(scopes)),
            ("refresh_token", credential.identity_token),
        ]
        return Request(
            "POST",
            realm.origin,
            realm.target,
            {"Content-Type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
            beside=realm.beside,
        )
    query = [("service", realm.service)] if realm.service else []
    query += [("scope", scope) for scope in scopes]
    if credential is not None:
        query.append(("account", credential.username))
    joint = "&" if "?" in realm.target else "?"
    headers = {} if credential is None else {"Authorization": credential.basic}
    target = realm.target + (joint + urlencode(query) if query else "")
    return Request("GET", realm.origin, target, headers, beside=realm.beside)


def fetch(
    transport: Transport,
    budget: Budget,
    request: Request,
    credential: Credential | None,
    registry: str,
) -> bytes:
    """Asks a token server for `registry`; never redirected, retried like anything else.

    Raises DeniedError when it refuses, UnreachableError when it does not answer.
    """
    attempts = Attempts(budget)
    doing = f"get a token from {request.origin}"
    while True:
        try:
            response = transport.send(request)
            data = response.read(MAX_TOKEN_BYTES)
        except TransportError as error:
            trouble = f"cannot {doing}: {error}"
            if error.stale or attempts.again(trouble, silent=error.silent):
                continue
            raise UnreachableError(trouble) from None
        except LimitError as error:
            raise DeniedError(error.what) from None
        if response.status == 200:
            return data
        if response.status in RETRY_STATUSES:
            trouble = f"cannot {doing}: it says {response.status}"
            if attempts.again(trouble, answer=response):
                continue
            raise UnreachableError(trouble)
        who, fix = "anonymous access", answers.login_hint(registry)
        if credential is not None:
            who = f"the login found in {credential.source}"
            fix = "log in again, or ask for access"
        raise DeniedError(
            f"the token server {request.origin} refuses {who} with {response.status}", fix=fix
        )


def read(data: bytes, realm: Realm) -> Token:
    """Reads a token server's answer; raises DeniedError if there is no usable token in it."""
    what = f"the answer of the token server {realm.origin}"
    try:
        value = document.loads_object(data, what=what, limit=MAX_TOKEN_BYTES)
    except CorruptError:
        raise DeniedError(f"{what} is not JSON") from None
    except LadingError as error:
        raise DeniedError(error.what) from None
    text = value.get("token") or value.get("access_token")
    if not isinstance(text, str) or not _BEARER.fullmatch(text):
        raise DeniedError(f"{what} has no token")
    lifetime = value.get("expires_in")
    if not isinstance(lifetime, int | float) or isinstance(lifetime, bool) or lifetime <= 0:
        lifetime = _LIFETIME
    # Early enough that a request which starts with it is also judged with it.
    margin = min(10.0, lifetime / 4)
    return Token(text, time.monotonic() + min(lifetime, 24 * 3600) - margin)
