"""One conversation with any number of registries: authentication, retries and redirects."""

from __future__ import annotations

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from lading.errors import LadingError, UnreachableError
from lading.http import redirects
from lading.http.limits import Limits
from lading.http.messages import Request, Response, TransportError
from lading.http.origin import Origin
from lading.http.retry import RETRY_STATUSES, Attempts, Budget
from lading.http.transport import Transport
from lading.oci.reference import Reference
from lading.record import replace
from lading.registry import answers
from lading.registry.access import Access
from lading.registry.repository import Repository

if TYPE_CHECKING:
    from lading.http.tls import Certificates
    from lading.registry.auth import Authenticator
    from lading.registry.credentials import Credentials
    from lading.registry.warnings import Warnings

__all__ = ["Session"]

_USER_AGENT = "lading"


class Session:
    """What registries are spoken to with; safe to share between threads.

    Args:
        limits: bounds in time and number.
        find: finds credentials; by default those of the user's container tools.
        realms: URLs of token servers that are allowed beside the registries themselves.
        insecure: plain HTTP for every host, not only for loopback.
        ca_file: certificates to trust in addition.
        trace: is told every exchange, one line each, without secrets.
        notice: is told what is waited for, when that takes long.
        warn: is told what a registry warns of, each warning once.
        sleep: waits between attempts; tests replace it.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        find: Credentials | None = None,
        realms: Iterable[str] = (),
        insecure: bool = False,
        ca_file: str = "",
        trace: Callable[[str], None] | None = None,
        notice: Callable[[str], None] | None = None,
        warn: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits or Limits()
        self.budget = Budget(self.limits, sleep, notice)
        self.transport = Transport(
            self.limits,
            user_agent=_USER_AGENT,
            ca_file=ca_file,
            certificates=_certificates,
            trace=trace,
            notice=notice,
        )
        self._find = find
        self._realms = [Origin.split(realm)[0] for realm in realms]
        self.auth: Authenticator | None = None
        self._insecure = insecure
        self._warn = warn
        self._warnings: Warnings | None = None
        self._origins: dict[str, Origin] = {}
        self._settled: set[Origin] = set()
        self._hiding: dict[Origin, bool] = {}
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._turns: defaultdict[tuple[object, ...], threading.Lock] = defaultdict(threading.Lock)

    def repository(self, registry: str, name: str) -> Repository:
        """Names a repository; raises InputError for a name that is none."""
        reference = Reference(registry, name)
        return Repository(self, reference.registry, reference.repository)

    def origin(self, registry: str) -> Origin:
        """Where a registry's requests go."""
        with self._lock:
            if registry not in self._origins:
                self._origins[registry] = Origin.of_registry(registry, insecure=self._insecure)
            return self._origins[registry]

    def send(
        self,
        access: Access,
        request: Request,
        *,
        doing: str,
        limit: int | None = None,
    ) -> Response:
        """Sends a request that may be repeated; returns the first answer that is final.

        401 is met with one round of authentication; timeouts, rate limits, server errors and
        broken connections with further attempts; redirects of GET and HEAD are followed.

        Args:
            access: the repository and scopes that the request is for.
            request: what to send; an Authorization is added.
            doing: names the attempt in errors.
            limit: read the body too, at most so many bytes, so that one that breaks off is met
                with another attempt; the answer's `read` then returns it.

        Raises:
            UnreachableError: no final answer within the limits.
            LimitError: the body is larger than `limit`.
            DeniedError: a login is missing or refused.
        """
        attempts = Attempts(self.budget)
        authenticated = False
        while True:
            try:
                response, used = self._hops(access, request)
                if limit is not None and response.status < 300:
                    response.read(limit)
            except TransportError as error:
                if self._try_tls(access):
                    access, request = self._moved(access, request)
                    continue
                trouble = f"cannot {doing}: {error}"
                if error.stale or attempts.again(trouble, silent=error.silent):
                    continue
                raise UnreachableError(
                    trouble,
                    fix="check the address, and that the registry runs; try again later",
                ) from None
            # Another origin, where a redirect led, has no say in who we are.
            own = response.request.origin == access.origin
            if own and response.status == 400 and self._try_tls(access):
                response.close()
                access, request = self._moved(access, request)
                continue
            if own:
                self._settled.add(access.origin)
            if response.status == 401 and own and not authenticated:
                headers = response.headers("WWW-Authenticate")
                if self._authenticator().challenged(access, headers, used):
                    authenticated = True
                    response.close()
                    continue
            # Of HEAD it is nothing unusual that something is not there.
            refused = own and response.status in (403, 404) and request.method != "HEAD"
            if refused and not used and not authenticated and self._hides(access):
                authenticated = True
                response.close()
                continue
            if response.status in RETRY_STATUSES:
                trouble = f"cannot {doing}: {response.request.origin} says {response.status}"
                if attempts.again(trouble, answer=response):
                    response.close()
                    continue
                raise answers.failure(response, doing, registry=access.registry)
            return response

    def send_once(self, access: Access, request: Request) -> Response:
        """Sends a request that must not be repeated blindly, such as a part of an upload.

        A 401 is learnt from, so that a next request is authenticated. Raises TransportError, or
        DeniedError when a login is missing or refused.
        """
        response, used = self._one(access, request)
        if response.status == 401:
            headers = response.headers("WWW-Authenticate")
            self._authenticator().challenged(access, headers, used)
        return response

    def _hides(self, access: Access) -> bool:
        """Whether a refusal may be one for who has not logged in, as asking for the base tells.

        Some registries say of what the anonymous may not see that it is not there, and challenge
        nowhere else.
        """
        with self._asking:
            if access.origin not in self._hiding:
                self._hiding[access.origin] = self._challenges(access)
            return self._hiding[access.origin]

    def _challenges(self, access: Access) -> bool:
        try:
            response = self.transport.send(Request("GET", access.origin, "/v2/"))
            response.close()
            headers = response.headers("WWW-Authenticate")
            return response.status == 401 and self._authenticator().challenged(access, headers, "")
        except (LadingError, TransportError):
            return False

    def turn(self, *what: object) -> threading.Lock:
        """The lock that those hold who read something of a registry to write it anew."""
        with self._lock:
            return self._turns[what]

    def close(self) -> None:
        """Closes kept connections."""
        self.transport.close()

    def _hops(self, access: Access, request: Request) -> tuple[Response, str]:
        response, used = self._one(access, request)
        for _ in range(self.limits.redirects):
            if response.status not in redirects.REDIRECTS:
                return response, used
            response.close()
            before, request = request, redirects.follow(request, response)
            if request.origin == before.origin and request.nearest is None:
                response, used = self._one(access, request)
            else:
                response = self.transport.send(request)
        if response.status in redirects.REDIRECTS:
            response.close()
            raise UnreachableError(
                f"{access.origin} redirects more than {self.limits.redirects} times"
            )
        return response, used

    def _one(self, access: Access, request: Request) -> tuple[Response, str]:
        used = self.auth.header(access) if self.auth else ""
        headers: Mapping[str, str] = request.headers
        if used:
            headers = {**headers, "Authorization": used}
        response = self.transport.send(replace(request, headers=headers))
        if self._warn is not None and response.header("Warning"):
            self._read_warnings(response, self._warn)
        return response, used

    def _read_warnings(self, response: Response, warn: Callable[[str], None]) -> None:
        from lading.registry.warnings import Warnings

        with self._lock:
            self._warnings = self._warnings or Warnings(warn)
        self._warnings.read(response)

    def _authenticator(self) -> Authenticator:
        """Who knows what to answer a challenge with, from the first challenge on."""
        from lading.registry import credentials, tokens
        from lading.registry.auth import Authenticator

        with self._lock:
            if self.auth is None:
                find = self._find or credentials.find
                fetch = functools.partial(tokens.fetch, self.transport, self.budget)
                self.auth = Authenticator(find, self._realms, fetch)
            return self.auth

    def _try_tls(self, access: Access) -> bool:
        """Turns to HTTPS on loopback, where plain HTTP is tried first; never the other way.

        Servers that speak TLS meet plain HTTP with an alert, a 400 or nothing at all.
        """
        origin = access.origin
        if self._insecure or origin.scheme != "http" or origin in self._settled:
            return False
        if not (encrypted := self.transport.speaks_tls(origin)):
            if encrypted is not None:
                self._settled.add(origin)
            return False
        with self._lock:
            self._origins[access.registry] = replace(origin, scheme="https")
        return True

    def _moved(self, access: Access, request: Request) -> tuple[Access, Request]:
        origin = self.origin(access.registry)
        return replace(access, origin=origin), replace(request, origin=origin)


def _certificates(origin: Origin) -> Certificates | None:
    """What the user's container tools keep for a registry that speaks TLS."""
    from lading.registry import certificates

    return certificates.find(origin)
