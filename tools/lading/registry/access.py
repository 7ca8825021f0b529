"""What a request needs permission for."""

from __future__ import annotations

from lading.http.origin import Origin
from lading.record import record

__all__ = ["Access"]


@record
class Access:
    """A repository of a registry, for these token scopes."""

    registry: str
    origin: Origin
    repository: str
    scopes: tuple[str, ...]
