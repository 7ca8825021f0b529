"""Relations between packages (Debian Policy 7.1): `a (>= 1) | b, c:any`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lading.debian.version import satisfies
from lading.errors import InputError

__all__ = ["Group", "Relation", "parse_relations"]

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s()]+)\s*\))?"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One package that is meant, with the versions that will do.

    `qualifier` is `any`, `native`, an architecture, or empty; `operator` and `version` are both
    empty when every version will do.
    """

    name: str
    qualifier: str = ""
    operator: str = ""
    version: str = ""

    def allows(self, version: str) -> bool:
        """Whether a real package of this version is meant."""
        return not self.operator or satisfies(version, self.operator, self.version)

    def allows_provided(self, version: str) -> bool:
        """Whether a `Provides` of `version` is meant; an empty version meets no constraint."""
        return not self.operator or (bool(version) and self.allows(version))

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name


# Alternatives, best first; one of them has to be there.
Group = tuple[Relation, ...]


def parse_relations(text: str) -> tuple[Group, ...]:
    """The groups of a Depends-like field of a binary package.

    Raises:
        InputError: the field does not follow the grammar (build restrictions do not occur here).
    """
    return tuple(_group(part) for part in text.split(",") if part.strip())


def _group(text: str) -> Group:
    relations = []
    for part in text.split("|"):
        match = _RELATION.fullmatch(part.strip())
        if match is None:
            raise InputError(f"{part.strip()!r:.120} is not a relation between Debian packages")
        relations.append(
            Relation(
                match["name"],
                match["qualifier"] or "",
                match["operator"] or "",
                match["version"] or "",
            )
        )
    return tuple(relations)
