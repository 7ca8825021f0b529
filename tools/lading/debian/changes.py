"""What a new lock changes, for the person who reviews it."""

from __future__ import annotations

from dataclasses import dataclass

from lading.debian.lock import Lock, LockedPackage
from lading.debian.version import version_key

__all__ = ["Change", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A package before and after; None where it was or is not locked."""

    architecture: str
    old: LockedPackage | None
    new: LockedPackage | None

    @property
    def name(self) -> str:
        """The package's name."""
        package = self.new or self.old
        assert package is not None
        return package.name

    @property
    def security(self) -> bool:
        """Whether the new version comes from the security archive."""
        return self.new is not None and self.new.archive == "security"

    @property
    def downgrade(self) -> bool:
        """Whether the new version is lower than the old: a stale mirror, or a changed suite."""
        if self.old is None or self.new is None:
            return False
        return version_key(self.new.version) < version_key(self.old.version)


def changes(old: Lock | None, new: Lock) -> list[Change]:
    """What differs, sorted by name, then architecture; changed dependencies alone do not count."""
    found = []
    for architecture in sorted({*new.packages, *(old.packages if old else ())}):
        before = old.packages.get(architecture, {}) if old else {}
        after = new.packages.get(architecture, {})
        for name in sorted({*before, *after}):
            change = Change(architecture, before.get(name), after.get(name))
            if _identity(change.old) != _identity(change.new):
                found.append(change)
    return sorted(found, key=lambda change: (change.name, change.architecture))


def _identity(package: LockedPackage | None) -> tuple[str, str] | None:
    return (package.version, package.sha256) if package else None
