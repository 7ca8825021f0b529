"""One binary package as a Packages index describes it (Debian Policy 5, deb-control(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lading.debian.relation import Group, Relation, parse_relations
from lading.debian.version import version_key
from lading.errors import CorruptError

__all__ = ["NAME", "Package", "check_path", "parse_package"]

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"[A-Za-z0-9+._~-]+(?:/[A-Za-z0-9+._~-]+)*")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of one architecture.

    `source` is the source package it was built from, `archive` the archive it comes from
    (`debian` or `security`), `path` its place below that archive's mirror, `size` the bytes of
    the .deb, `sha256` their hash in hex. `depends` holds Pre-Depends and Depends, `breaks`
    Conflicts and Breaks.
    """

    name: str
    version: str
    architecture: str
    source: str
    archive: str
    path: str
    size: int
    sha256: str
    depends: tuple[Group, ...] = ()
    provides: tuple[Relation, ...] = ()
    breaks: tuple[Group, ...] = ()


def _parse_stanza(text: str) -> dict[str, str]:
    """The single-line fields of a control stanza; continuation lines are not needed and left out.

    Raises:
        CorruptError: a field occurs twice.
    """
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if not colon or name[:1] in {"", " ", "\t", "#"}:
            continue
        if name in fields:
            raise CorruptError(f"package index: field {name!r:.60} occurs twice in one stanza")
        fields[name] = value.strip()
    return fields


def parse_package(text: str, archive: str) -> Package:
    """The package of one stanza of an index of `archive`.

    Raises:
        CorruptError: a field that the lock needs is missing or malformed.
        InputError: a relation does not follow the grammar.
    """
    fields = _parse_stanza(text)
    try:
        package = Package(
            name=fields["Package"],
            version=fields["Version"],
            architecture=fields["Architecture"],
            # "Source: name (version)" where the version differs; absent where the name does not.
            source=fields.get("Source", fields["Package"]).partition(" ")[0],
            archive=archive,
            path=fields["Filename"].removeprefix("./"),
            size=int(fields["Size"]),
            sha256=fields["SHA256"],
            depends=parse_relations(
                ", ".join((fields.get("Pre-Depends", ""), fields.get("Depends", "")))
            ),
            provides=tuple(
                alternatives[0] for alternatives in parse_relations(fields.get("Provides", ""))
            ),
            breaks=parse_relations(
                ", ".join((fields.get("Conflicts", ""), fields.get("Breaks", "")))
            ),
        )
    except (KeyError, ValueError) as error:
        raise CorruptError(
            f"package index: stanza of {fields.get('Package', 'an unnamed package')!r:.80} "
            f"has no usable {error}"
        ) from None
    names = (package.name, package.source)
    if not all(map(NAME.fullmatch, names)) or not _SHA256.fullmatch(package.sha256):
        raise CorruptError(f"package index: {package.name!r:.80} has a bad name or sha256")
    version_key(package.version)
    check_path(package.path)
    return package


def check_path(path: str) -> None:
    """Accepts a path that stays below the mirror it is appended to.

    Raises:
        CorruptError: it is absolute, climbs, or has characters that need quoting in a URL.
    """
    if not _PATH.fullmatch(path) or any(part in {".", ".."} for part in path.split("/")):
        raise CorruptError(f"{path!r:.120} is not a path below a mirror")
