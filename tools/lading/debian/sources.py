"""Where this machine gets Debian from: LADING_DEBIAN_MIRROR, or what its apt is set up with.

No mirror is named in the project; rules/private/deb_sources.bzl reads the same places when Bazel
fetches a package, and tests/unit/debian/test_sources.py holds the cases for both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.errors import NotFoundError

__all__ = ["Mirrors", "find_mirrors", "parse_deb822", "parse_one_line"]

_SCHEMES = ("http://", "https://", "file:/")
_SUITE = re.compile(r"[a-z]+(?:-(?:updates|security|backports|proposed-updates)|/updates)?")
_SECURITY = re.compile(r"[a-z]+(?:-security|/updates)")
_OPTIONS = re.compile(r"\[[^]]*\]")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Base addresses without a trailing slash, in the order in which to try them."""

    debian: tuple[str, ...]
    security: tuple[str, ...]

    def of(self, archive: str) -> tuple[str, ...]:
        """The mirrors of one of lock.ARCHIVES."""
        return self.security if archive == "security" else self.debian


def find_mirrors(
    environment: Mapping[str, str] | None = None, apt: Path = Path("/etc/apt")
) -> Mirrors:
    """The mirrors of this machine.

    LADING_DEBIAN_MIRROR holds the base address (what `dists` and `pool` are below), or several
    with spaces between; LADING_DEBIAN_SECURITY_MIRROR the same for the security archive, by
    default the first with `-security` appended. Without them, apt's sources are read.

    Raises:
        NotFoundError: neither the environment nor apt names a mirror.
    """
    environment = os.environ if environment is None else environment
    named = _addresses(environment.get("LADING_DEBIAN_MIRROR", ""))
    security = _addresses(environment.get("LADING_DEBIAN_SECURITY_MIRROR", ""))
    if named:
        return Mirrors(named, security or tuple(f"{mirror}-security" for mirror in named))
    entries = _apt_entries(apt)
    debian = [uri for uri, suite in entries if not _SECURITY.fullmatch(suite)]
    found = [uri for uri, suite in entries if _SECURITY.fullmatch(suite)]
    if not debian:
        raise NotFoundError(
            "no Debian mirror: LADING_DEBIAN_MIRROR is not set and apt has no source of Debian",
            fix="set LADING_DEBIAN_MIRROR to a mirror's base address, such as "
            "https://mirror.example.org/debian",
        )
    return Mirrors(_distinct(debian), security or _distinct(found))


def parse_one_line(text: str) -> list[tuple[str, str]]:
    """The (address, suite) pairs of a `sources.list` (sources.list(5)) that may be Debian's."""
    found = []
    for line in text.splitlines():
        words = _OPTIONS.sub(" ", line.partition("#")[0]).split()
        if len(words) > 3 and words[0] == "deb":
            found += _entries([words[1]], [words[2]], words[3:])
    return found


def parse_deb822(text: str) -> list[tuple[str, str]]:
    """The (address, suite) pairs of a `.sources` file (sources.list(5)) that may be Debian's."""
    found = []
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in {"no", "false", "without", "off", "disable"}:
            continue
        found += _entries(
            fields.get("uris", "").split(),
            fields.get("suites", "").split(),
            fields.get("components", "").split(),
        )
    return found


def _entries(uris: list[str], suites: list[str], components: list[str]) -> list[tuple[str, str]]:
    # Another vendor's archive is told from Debian's by its suites and components; one that still
    # slips through costs a request that answers 404, because hashes and signatures decide.
    if "main" not in components:
        return []
    return [
        (uri.rstrip("/"), suite.rstrip("/"))
        for uri in uris
        if uri.startswith(_SCHEMES)
        for suite in suites
        if _SUITE.fullmatch(suite.rstrip("/"))
    ]


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] in " \t":
            if name in fields:
                fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def _apt_entries(apt: Path) -> list[tuple[str, str]]:
    """Every file that apt reads, in its order; a file that cannot be read is as good as absent."""
    found = []
    parts = sorted((apt / "sources.list.d").glob("*"))
    for path in [apt / "sources.list", *parts]:
        parse = {".list": parse_one_line, ".sources": parse_deb822}.get(path.suffix)
        if parse is None:
            continue
        try:
            found += parse(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return found


def _addresses(value: str) -> tuple[str, ...]:
    return _distinct([word.rstrip("/") for word in value.split()])


def _distinct(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
