"""A suite's Release file: is it the right one, is it current, and what are its indexes' hashes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from lading.errors import CorruptError

__all__ = ["IndexFile", "Release", "check_release", "parse_release"]

_HASH_LINE = re.compile(r" (?P<sha256>[0-9a-f]{64})\s+(?P<size>[0-9]+)\s+(?P<path>\S+)")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file below `dists/<suite>/`: its hash in hex and its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Release:
    """What lading reads of a Release file (Debian repository format, "Release files")."""

    suite: str
    codename: str
    architectures: frozenset[str]
    date: datetime
    valid_until: datetime | None
    by_hash: bool
    split_all: bool
    """Whether packages of architecture `all` are in `binary-all` only."""
    files: Mapping[str, IndexFile]


def parse_release(text: str, name: str) -> Release:
    """Reads the text that the signature covers; `name` is what messages call the file.

    Raises:
        CorruptError: a needed field is missing or malformed, or occurs twice.
    """
    fields: dict[str, str] = {}
    hashes: list[str] = []
    field = ""
    for line in text.splitlines():
        if line.startswith(" "):
            if field == "SHA256":
                hashes.append(line)
            continue
        field, colon, value = line.partition(":")
        if not colon:
            continue
        if field in fields:
            raise CorruptError(f"{name}: field {field!r:.60} occurs twice")
        fields[field] = value.strip()
    files = {}
    for line in hashes:
        match = _HASH_LINE.fullmatch(line)
        if match is None:
            raise CorruptError(f"{name}: {line.strip()!r:.120} is no hash of a file")
        files[match["path"]] = IndexFile(match["path"], match["sha256"], int(match["size"]))
    architectures = frozenset(fields.get("Architectures", "").split())
    try:
        return Release(
            suite=fields.get("Suite", ""),
            codename=fields.get("Codename", ""),
            architectures=architectures,
            date=_date(fields["Date"]),
            valid_until=_date(fields["Valid-Until"]) if "Valid-Until" in fields else None,
            by_hash=fields.get("Acquire-By-Hash", "").lower() == "yes",
            split_all="all" in architectures
            and fields.get("No-Support-for-Architecture-all", "") != "Packages",
            files=files,
        )
    except (KeyError, ValueError) as error:
        raise CorruptError(f"{name}: the field {error} is missing or malformed") from None


def check_release(
    release: Release, suite: str, name: str, *, now: datetime, allow_expired: bool = False
) -> None:
    """Accepts a Release file that is of `suite` and current at `now`.

    A signature says who made a file, not that it is the one asked for or the newest: a mirror
    could serve another suite's, or last year's.

    Raises:
        CorruptError: it is of another suite, from the future, or expired.
    """
    if suite not in {release.suite, release.codename}:
        raise CorruptError(
            f"{name} is of the suite {release.codename or release.suite}, not of {suite}"
        )
    # A day for clocks that are off; apt allows ten seconds, and fails on machines like that.
    if release.date > now + timedelta(days=1):
        raise CorruptError(
            f"{name} is dated {release.date:%Y-%m-%d}, which is in the future",
            fix="set the machine's clock",
        )
    if release.valid_until is not None and release.valid_until < now and not allow_expired:
        raise CorruptError(
            f"{name} was valid until {release.valid_until:%Y-%m-%d %H:%M} UTC: the mirror is stale",
            fix="use a current mirror, or pass --allow_expired if it is a snapshot on purpose",
        )


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
