"""WWW-Authenticate, read (RFC 9110, section 11.6.1; distribution-spec token authentication)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Challenge", "parse"]

_MAX = 16 * 1024
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - a grammar, not a secret
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?=[\s,]|\Z)(?!\s*=)")
_PARAMETER = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate: the scheme in lower case and its parameters, names lowered."""

    scheme: str
    parameters: Mapping[str, str]


def parse(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge of every header line, in order; what is malformed is left out."""
    return [challenge for header in headers for challenge in _parse(header[:_MAX])]


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = 0
    while scheme := _SCHEME.match(header, at):
        at = scheme.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            # The first one counts: a repeated parameter is an attempt at two readings.
            parameters.setdefault(name.lower(), value)
        found.append(Challenge(scheme.group(1).lower(), parameters))
    return found
