"""Which Authorization header a request carries, learnt from the registry's challenges.

Everything is kept per origin: a credential or token that one scheme, host and port has asked
for is never shown to another.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lading.errors import DeniedError, UnreachableError
from lading.http.messages import Request
from lading.http.origin import Origin
from lading.registry import answers, tokens
from lading.registry.access import Access
from lading.registry.challenge import Challenge, parse
from lading.registry.credentials import Credential, Credentials
from lading.registry.tokens import Realm, Token

__all__ = ["Authenticator"]


@dataclass(slots=True)
class _State:
    """What is known about one origin. Its token server is asked by one thread in its `turn`.

    Repositories may have token servers of their own; `realm` is the one that was named last, and
    the guess for a repository of which nothing is known.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    turn: threading.Lock = field(default_factory=threading.Lock)
    scheme: str = ""
    realm: Realm | None = None
    realms: dict[str, Realm] = field(default_factory=dict)
    credentials: dict[str, Credential | None] = field(default_factory=dict)
    tokens: dict[tuple[Realm, tuple[str, ...]], Token] = field(default_factory=dict)
    #: When the token server last did not answer, and how that is told.
    trouble: tuple[float, UnreachableError] | None = None


class Authenticator:
    """Shared by all threads of a session.

    Args:
        credentials: finds who we are.
        realms: token servers allowed beside the registry itself.
        fetch: asks a token server on behalf of a registry; returns the body of its answer or raises
            DeniedError.
    """

    def __init__(
        self,
        credentials: Credentials,
        realms: Iterable[Origin],
        fetch: Callable[[Request, Credential | None, str], bytes],
    ) -> None:
        self._find = credentials
        self._realms = frozenset(realms)
        self._fetch = fetch
        self._lock = threading.Lock()
        self._states: defaultdict[Origin, _State] = defaultdict(_State)

    def header(self, access: Access) -> str:
        """The Authorization for a request, or empty; may ask a token server.

        Raises DeniedError when the token server refuses, UnreachableError when it is silent.
        """
        state = self._state(access)
        if not state.scheme:
            return ""
        since = time.monotonic()
        with state.lock:
            credential = self._credential(state, access)
            realm = state.realms.get(access.repository, state.realm)
            if state.scheme == "basic":
                return credential.basic if credential is not None else ""
            if credential is not None and credential.registry_token:
                return f"Bearer {credential.registry_token}"
        assert realm is not None
        key = realm, access.scopes
        with state.turn:
            token = state.tokens.get(key)
            if token is None or token.expires <= time.monotonic():
                if state.trouble is not None and state.trouble[0] > since:
                    # Another thread has found out while this one waited for its turn.
                    raise state.trouble[1]
                try:
                    request = tokens.ask(realm, access.scopes, credential)
                    token = tokens.read(self._fetch(request, credential, access.registry), realm)
                except UnreachableError as error:
                    state.trouble = time.monotonic(), error
                    raise
                state.tokens[key] = token
            return f"Bearer {token.text}"

    def challenged(self, access: Access, headers: Iterable[str], used: str) -> bool:
        """Learns from a 401; returns whether sending the request again can go better.

        Args:
            access: what the refused request was for.
            headers: the values of WWW-Authenticate.
            used: the Authorization that was refused, or empty.

        Raises DeniedError when a login is needed that we do not have, or may not make.
        """
        challenges = parse(headers)
        state = self._state(access)
        with state.lock:
            basic = any(challenge.scheme == "basic" for challenge in challenges)
            for challenge in challenges:
                if challenge.scheme == "bearer":
                    try:
                        return self._bearer(state, access, challenge, used)
                    except DeniedError:
                        # The registry itself would do as well, for whoever has a login.
                        if not basic or self._credential(state, access) is None:
                            raise
            if basic:
                if used.startswith("Basic "):
                    return False
                if self._credential(state, access) is None:
                    raise DeniedError(
                        f"{access.registry} wants a login", fix=answers.login_hint(access.registry)
                    )
                state.scheme = "basic"
                return True
        return False

    def hint(self, access: Access) -> str:
        """What helps whoever is refused without a challenge: another login, or one at all."""
        state = self._state(access)
        if not state.scheme:
            return ""
        if (found := state.credentials.get(access.repository)) is None:
            return answers.login_hint(access.registry)
        return f"the login found in {found.source} may not do that"

    def _bearer(self, state: _State, access: Access, challenge: Challenge, used: str) -> bool:
        realm = tokens.check_realm(challenge, access.origin, self._realms)
        known = state.scheme == "bearer" and state.realms.get(access.repository) == realm
        state.scheme, state.realm = "bearer", realm
        state.realms[access.repository] = realm
        key = realm, access.scopes
        token = state.tokens.get(key)
        if token is not None and used == f"Bearer {token.text}":
            # Expired or revoked before its time: another one is asked for, once.
            del state.tokens[key]
        if not known:
            return True
        credential = self._credential(state, access)
        return credential is None or not credential.registry_token

    def _credential(self, state: _State, access: Access) -> Credential | None:
        if access.repository not in state.credentials:
            found = self._find(access.registry, access.repository)
            state.credentials[access.repository] = found
        return state.credentials[access.repository]

    def _state(self, access: Access) -> _State:
        with self._lock:
            return self._states[access.origin]
