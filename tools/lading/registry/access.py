"""What a request needs permission for."""

from __future__ import annotations

from dataclasses import dataclass

from lading.http.origin import Origin

__all__ = ["Access"]


@dataclass(frozen=True, slots=True)
class Access:
    """A repository of a registry, for these token scopes."""

    registry: str
    origin: Origin
    repository: str
    scopes: tuple[str, ...]
