"""What a suite offers for one architecture: all its indexes merged, read only where asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from lading.debian.package import Package, parse_package
from lading.debian.relation import Relation, parse_relations
from lading.debian.version import version_key

__all__ = ["Index", "meets", "provides"]


class Index:
    """Packages by name. A name has one candidate: the highest version in any of the archives.

    An index of Debian main has 68,000 stanzas of which a resolution reads a few hundred, so a
    stanza stays text until its package is asked for.
    """

    def __init__(self, architecture: str, *, point_releases: Collection[str] = ()) -> None:
        """An index without packages.

        Args:
            architecture: Debian's name of it.
            point_releases: source packages of which the security archive counts for nothing.
        """
        self.architecture = architecture
        self._point_releases = frozenset(point_releases)
        self._stanzas: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._virtual: dict[str, set[str]] = defaultdict(set)
        self._candidates: dict[str, Package] = {}

    def add(self, packages: str, archive: str) -> None:
        """Adds the text of a Packages file of `archive`; must precede the first question.

        Raises:
            InputError: a Provides field does not follow the grammar.
        """
        for stanza in packages.split("\n\n"):
            stanza = stanza.strip("\n")
            name = _field(stanza, "Package")
            if not name:
                continue
            self._stanzas[name].append((stanza, archive))
            provides = _field(stanza, "Provides")
            if provides:
                for alternatives in parse_relations(provides):
                    self._virtual[alternatives[0].name].add(name)

    def __len__(self) -> int:
        return len(self._stanzas)

    def names(self) -> list[str]:
        """Every real package's name, sorted."""
        return sorted(self._stanzas)

    def candidate(self, name: str) -> Package | None:
        """The package of that name with the highest version; None if there is none.

        Of equal versions the archive that was added first wins.

        Raises:
            CorruptError, InputError: its stanza is malformed.
        """
        found = self._candidates.get(name)
        if found is None and name in self._stanzas:
            usable = [
                offer
                for offer in self._offers(name)
                if offer.archive != "security" or offer.source not in self._point_releases
            ]
            if not usable:
                return None
            found = max(usable, key=lambda package: version_key(package.version))
            self._candidates[name] = found
        return found

    def held_back(self, name: str) -> Package | None:
        """The security archive's version that `point_releases` keeps from being the candidate."""
        candidate = self.candidate(name)
        if candidate is None or candidate.source not in self._point_releases:
            return None
        newest = max(self._offers(name), key=lambda package: version_key(package.version))
        return newest if version_key(newest.version) > version_key(candidate.version) else None

    def security_version(self, name: str) -> str:
        """The highest version of `name` in the security archive; empty if it has none."""
        versions = [offer.version for offer in self._offers(name) if offer.archive == "security"]
        return max(versions, key=version_key, default="")

    def _offers(self, name: str) -> list[Package]:
        offers = [parse_package(*offer) for offer in self._stanzas.get(name, ())]
        return [offer for offer in offers if offer.architecture in {self.architecture, "all"}]

    def providers(self, name: str) -> list[Package]:
        """The candidates that provide the virtual package `name`, sorted by their own names."""
        found = [self.candidate(provider) for provider in sorted(self._virtual.get(name, ()))]
        # A superseded version may have provided what the candidate no longer does.
        return [package for package in found if package is not None and provides(package, name)]

    def options(self, relation: Relation) -> list[Package]:
        """Every candidate that meets `relation`: the real package first, then its providers."""
        if relation.qualifier not in {"", "any", "native", self.architecture}:
            return []
        real = self.candidate(relation.name)
        options = [real] if real is not None and relation.allows(real.version) else []
        options += [
            provider
            for provider in self.providers(relation.name)
            if provider is not real and meets(provider, relation)
        ]
        return options


def provides(package: Package, name: str) -> bool:
    """Whether `package` has a Provides of `name`, of any version."""
    return any(offer.name == name for offer in package.provides)


def meets(package: Package, relation: Relation) -> bool:
    """Whether `package` is, or provides, what `relation` means."""
    if package.name == relation.name and relation.allows(package.version):
        return True
    return any(
        offer.name == relation.name and relation.allows_provided(offer.version)
        for offer in package.provides
    )


def _field(stanza: str, name: str) -> str:
    """The value of a single-line field, found without reading the rest of the stanza."""
    if stanza.startswith(f"{name}:"):
        start = len(name) + 1
    else:
        start = stanza.find(f"\n{name}:")
        if start < 0:
            return ""
        start += len(name) + 2
    end = stanza.find("\n", start)
    return stanza[start : end if end >= 0 else len(stanza)].strip()
