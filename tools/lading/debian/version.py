"""Debian version numbers and their order (deb-version(7))."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lading.errors import InputError

__all__ = ["VersionKey", "satisfies", "version_key"]

VersionKey = tuple[Any, ...]

_VERSION = re.compile(
    r"(?:(?P<epoch>[0-9]+):)?"
    # Without an epoch the upstream version has no colon.
    r"(?P<upstream>[A-Za-z0-9](?(epoch)[A-Za-z0-9.+:~-]|[A-Za-z0-9.+~-])*?)"
    r"(?:-(?P<revision>[A-Za-z0-9.+~]+))?(?<!-)"
)
#: Characters of the longest version; a file name has at most 255.
_LONGEST = 512
_PART = re.compile(r"(?P<text>[^0-9]*)(?P<number>[0-9]*)")
# The end of a part sorts after "~" and before everything else.
_END = 0

_OPERATORS: dict[str, Callable[[VersionKey, VersionKey], bool]] = {
    "<<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">>": operator.gt,
    # Obsolete spellings that old packages still carry; they include equality.
    "<": operator.le,
    ">": operator.ge,
}


@lru_cache(maxsize=65536)
def version_key(version: str) -> VersionKey:
    """A value that sorts as dpkg sorts `version`; equal for versions that dpkg calls equal.

    Raises:
        InputError: the text is not `[epoch:]upstream[-revision]`.
    """
    match = _VERSION.fullmatch(version) if len(version) <= _LONGEST else None
    if match is None:
        raise InputError(f"{version!r:.120} is not a Debian version")
    # A missing revision and the revision 0 are the same version, as is a missing epoch.
    return (
        int(match["epoch"] or 0),
        *_part_key(match["upstream"]),
        *_part_key(match["revision"] or "0"),
    )


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether `version relation wanted` holds; `relation` is `<<`, `<=`, `=`, `>=` or `>>`."""
    return _OPERATORS[relation](version_key(version), version_key(wanted))


def _part_key(part: str) -> list[Any]:
    """Alternating text and number, as dpkg compares them; one nested value for a whole part."""
    key: list[tuple[int, ...] | int] = []
    for match in _PART.finditer(part):
        if not match[0]:
            break
        key.append((*(_order(character) for character in match["text"]), _END))
        key.append(int(match["number"] or 0))
    # What follows the end of the shorter version is compared with nothing: with the end.
    key.append((_END,))
    return [tuple(key)]


def _order(character: str) -> int:
    """Letters before everything else, and "~" before even the end."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
