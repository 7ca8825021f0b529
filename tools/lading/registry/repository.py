"""A repository of a registry: what is asked of it, and what it lets one do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lading.errors import LadingError
from lading.http.bodies import Body
from lading.http.messages import Request, Response
from lading.http.origin import Origin
from lading.record import record
from lading.registry import answers
from lading.registry.access import Access

if TYPE_CHECKING:
    from lading.registry.session import Session

__all__ = ["Repository"]


@record
class Repository:
    """A repository of a registry, as seen through a session."""

    session: Session
    registry: str
    name: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"

    @property
    def origin(self) -> Origin:
        return self.session.origin(self.registry)

    def access(self, actions: str = "pull", *, also: Iterable[str] = ()) -> Access:
        """Access to this repository, and `pull` on those in `also`, for a mount."""
        scopes = [f"repository:{self.name}:{actions}"]
        scopes += [f"repository:{name}:pull" for name in also if name != self.name]
        return Access(self.registry, self.origin, self.name, tuple(scopes))

    def request(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        access: Access | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        limit: int | None = None,
    ) -> Response:
        """Sends `method` to `path` below the repository: `manifests/…`, `blobs/…`."""
        needed = access or self.access("pull" if method in ("GET", "HEAD") else "pull,push")
        request = Request(method, self.origin, f"/v2/{self.name}/{path}", headers or {}, body)
        return self.session.send(needed, request, doing=f"{doing} {self}", limit=limit)

    def failure(self, response: Response, doing: str) -> LadingError:
        """What to raise for an answer that nobody can go on with."""
        hint = self.session.auth.hint(self.access()) if self.session.auth else ""
        return answers.failure(response, f"{doing} {self}", registry=self.registry, hint=hint)
