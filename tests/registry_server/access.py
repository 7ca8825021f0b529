"""Who may do what in the strict registry: Basic and Bearer."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.registry_server.replies import Reply, error

__all__ = ["TokenAuth", "may_read", "refused"]


@dataclass
class TokenAuth:
    """Bearer authentication by tokens from the server at `realm`."""

    realm: str
    service: str = "registry"
    #: Scopes by token; the token server adds to it.
    issued: dict[str, frozenset[str]] = field(default_factory=dict)
    #: Requests that one token is good for.
    uses: int = 1_000_000
    used: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


def refused(
    method: str,
    name: str,
    headers: Mapping[str, str],
    basic: tuple[str, str] | None,
    token: TokenAuth | None,
) -> Reply | None:
    """The 401 for a request to the repository `name` that lacks what it needs."""
    given = headers.get("authorization", "")
    if basic is not None:
        pair = base64.b64encode(":".join(basic).encode()).decode()
        if given != f"Basic {pair}":
            reply = error(401, "UNAUTHORIZED")
            reply.headers["WWW-Authenticate"] = 'Basic realm="tests", charset="UTF-8"'
            return reply
    if token is not None:
        wanted = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(method, "push")
        text = given.removeprefix("Bearer ")
        scopes = token.issued.get(text, frozenset())
        token.used[text] += 1
        good = f"{name}:{wanted}" in scopes or (method == "DELETE" and f"{name}:push" in scopes)
        if (name and not good) or not scopes or token.used[text] > token.uses:
            reply = error(401, "UNAUTHORIZED")
            scope = f"repository:{name}:{'pull' if wanted == 'pull' else 'pull,push'}"
            reply.headers["WWW-Authenticate"] = (
                f'Bearer realm="{token.realm}",service="{token.service}",scope="{scope}"'
            )
            return reply
    return None


def may_read(name: str, headers: Mapping[str, str], token: TokenAuth | None) -> bool:
    """Whether a mount from the repository `name` is allowed."""
    if token is None:
        return True
    text = headers.get("authorization", "").removeprefix("Bearer ")
    return f"{name}:pull" in token.issued.get(text, frozenset())
