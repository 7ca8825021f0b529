"""What a new lock changes, for the person who reviews it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lading.debian.lock import Lock, LockedPackage
from lading.debian.version import version_key

__all__ = ["Change", "changed_layers", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A package before and after; None where it was or is not locked.

    `advised` is the version that the security archive has, empty if it has none. The fix in it
    reaches the suite itself with the next point release, so where the new version comes from does
    not say whether it is one.
    """

    architecture: str
    old: LockedPackage | None
    new: LockedPackage | None
    advised: str = ""

    @property
    def name(self) -> str:
        """The package's name."""
        package = self.new or self.old
        assert package is not None
        return package.name

    @property
    def security(self) -> bool:
        """Whether the new version has a security fix, and the old one did not."""
        if self.new is None:
            return False
        if self.old is None or not self.advised:
            return self.new.archive == "security"
        advised = version_key(self.advised)
        return version_key(self.old.version) < advised <= version_key(self.new.version)

    @property
    def downgrade(self) -> bool:
        """Whether the new version is lower than the old: a stale mirror, or a changed suite."""
        if self.old is None or self.new is None:
            return False
        return version_key(self.new.version) < version_key(self.old.version)


def changes(
    old: Lock | None, new: Lock, advised: Mapping[str, Mapping[str, str]] | None = None
) -> list[Change]:
    """What differs, sorted by name, then architecture; changed dependencies alone do not count.

    Args:
        old: the lock so far.
        new: the lock that replaces it.
        advised: by architecture and name, the version that the security archive has.
    """
    found = []
    for architecture in sorted({*new.packages, *(old.packages if old else ())}):
        before = old.packages.get(architecture, {}) if old else {}
        after = new.packages.get(architecture, {})
        for name in sorted({*before, *after}):
            version = (advised or {}).get(architecture, {}).get(name, "")
            change = Change(architecture, before.get(name), after.get(name), version)
            if _identity(change.old) != _identity(change.new):
                found.append(change)
    return sorted(found, key=lambda change: (change.name, change.architecture))


def changed_layers(old: Lock | None, new: Lock) -> dict[str, int]:
    """The layers that a new lock changes, `set.layer`, and the bytes of the packages in each.

    The bytes are those of the architecture with the larger packages.
    """
    found = {}
    for group, layers in new.layers.items():
        for layer, names in layers.items():
            before = old.layers.get(group, {}).get(layer, ()) if old else ()
            if names == before and not any(
                _identity(_at(old, architecture, name)) != _identity(_at(new, architecture, name))
                for architecture in new.packages
                for name in names
            ):
                continue
            found[f"{group}.{layer}"] = max(
                sum(packages[name].size for name in names if name in packages)
                for packages in new.packages.values()
            )
    return found


def _at(lock: Lock | None, architecture: str, name: str) -> LockedPackage | None:
    return lock.packages.get(architecture, {}).get(name) if lock else None


def _identity(package: LockedPackage | None) -> tuple[str, str] | None:
    return (package.version, package.sha256) if package else None
