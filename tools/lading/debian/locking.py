"""From a specification and verified suites to a lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from lading.debian.archive import Suite, open_suite, read_packages
from lading.debian.index import Index
from lading.debian.layering import plan_layers
from lading.debian.lock import Lock, LockedPackage
from lading.debian.package import Package
from lading.debian.resolve import resolve
from lading.debian.sources import Mirrors
from lading.debian.spec import Spec
from lading.errors import InputError, NotFoundError

__all__ = ["lock_packages", "open_suites", "read_index"]


def open_suites(
    spec: Spec, mirrors: Mirrors, *, keyring: Path, now: datetime, allow_expired: bool = False
) -> list[Suite]:
    """The suite, and the updates and security suites that belong to it if the machine has them.

    Raises:
        NotFoundError: no mirror has the suite itself.
        CorruptError, UnreachableError: see archive.open_suite.
    """
    wanted = [
        (spec.suite, "debian", True),
        (f"{spec.suite}-updates", "debian", False),
        (f"{spec.suite}-security", "security", False),
    ]
    suites: list[Suite] = []
    for name, archive, needed in wanted:
        addresses = mirrors.of(archive)
        if not addresses:
            continue
        try:
            suites.append(
                open_suite(
                    addresses, name, archive, keyring=keyring, now=now, allow_expired=allow_expired
                )
            )
        except NotFoundError as error:
            if needed:
                raise NotFoundError(
                    f"no mirror of this machine has the Debian suite {name}: {error.what}",
                    fix="set LADING_DEBIAN_MIRROR to the base address of a mirror that has it; "
                    "a suite that was released long ago moves to the archive of old releases: "
                    "name a newer suite in the specification, or a mirror of that archive and "
                    "--allow_expired",
                ) from None
    return suites


def read_index(spec: Spec, suites: Iterable[Suite], architecture: str) -> Index:
    """What `suites` offer for one architecture.

    Raises:
        NotFoundError, CorruptError, UnreachableError: see archive.read_packages.
    """
    index = Index(architecture, point_releases=spec.point_releases)
    for suite in suites:
        for component in spec.components:
            for text in read_packages(suite, component, architecture):
                index.add(text, suite.archive)
    return index


def lock_packages(
    spec: Spec, indexes: Sequence[Index], *, codename: str = "", old: Lock | None = None
) -> Lock:
    """Resolves every set for every architecture; `indexes` holds one for each of them.

    Args:
        spec: what to lock.
        indexes: what the suite offers.
        codename: that of the suite's Release file.
        old: the lock so far; a package that it has and the suite no longer has is named as such.

    Raises:
        NotFoundError, InputError, ConflictError: see resolve.resolve; an exclusion that no
            dependency meets, and a point release of what is not locked, are InputErrors, so that
            the lists do not gather dust.
    """
    sets: dict[str, dict[str, tuple[str, ...]]] = {each.name: {} for each in spec.sets}
    packages: dict[str, dict[str, LockedPackage]] = {}
    met: set[str] = set()
    for index in indexes:
        _refuse_gone(spec, index, old)
        chosen: dict[str, dict[str, Package]] = {}
        found: dict[str, Package] = {}
        depends: dict[str, set[str]] = {}
        for each in spec.sets:
            below = {
                name: package for under in each.above for name, package in chosen[under].items()
            }
            resolution = resolve(index, each.packages, below=below, exclude=spec.exclude)
            chosen[each.name] = dict(resolution.packages)
            sets[each.name][index.architecture] = tuple(sorted(resolution.packages.keys() - below))
            found.update(resolution.packages)
            met |= resolution.excluded
            for name, needs in resolution.depends.items():
                depends.setdefault(name, set()).update(needs)
        packages[index.architecture] = {
            name: _locked(package, depends.get(name, ())) for name, package in found.items()
        }
    unused = sorted(spec.exclude.keys() - met)
    if unused:
        raise InputError(
            f"exclude names {', '.join(unused)}, which nothing depends on", fix="remove it"
        )
    sources = {package.source for found in packages.values() for package in found.values()}
    if idle := sorted(spec.point_releases.keys() - sources):
        raise InputError(
            f"point_releases names {', '.join(idle)}, and no locked package has that source",
            fix="remove it",
        )
    layers = {
        each.name: plan_layers(
            packages[architecture][name]
            for architecture, names in sets[each.name].items()
            for name in names
        )
        for each in spec.sets
    }
    return Lock(spec.suite, sets, layers, packages, codename)


def _refuse_gone(spec: Spec, index: Index, old: Lock | None) -> None:
    locked = old.packages.get(index.architecture, {}) if old else {}
    for each in spec.sets:
        for name in each.packages:
            if name in locked and index.candidate(name) is None:
                successors = [provider.name for provider in index.providers(name)]
                raise NotFoundError(
                    f"Debian package {name}, locked at {locked[name].version}, has left"
                    f" {spec.suite} for {index.architecture}",
                    fix=f"in set {each.name} of the specification, "
                    + (
                        f"name {' or '.join(successors)}, which provides it"
                        if successors
                        else "name its successor, or drop it"
                    ),
                )


def _locked(package: Package, depends: Iterable[str]) -> LockedPackage:
    return LockedPackage(
        name=package.name,
        version=package.version,
        source=package.source,
        archive=package.archive,
        path=package.path,
        sha256=package.sha256,
        size=package.size,
        depends=tuple(sorted(depends)),
    )
