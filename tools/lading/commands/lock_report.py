"""What changed between two locks, as lines for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lading.commands.usage import count
from lading.debian.changes import Change
from lading.debian.lock import LockedPackage

__all__ = ["report"]


def report(found: Sequence[Change], layers: Mapping[str, int] | None = None) -> str:
    """A table — package, architectures, old and new version, size, notes — and sums below it.

    An update that is the same on several architectures is one row.

    Args:
        found: what changed.
        layers: the layers that this changes, and the bytes of the packages in each.
    """
    if not found:
        return "no package changed"
    rows = [("package", "architecture", "old", "new", "size", "")]
    groups: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in found:
        key = (change.name, _version(change.old), _version(change.new), _notes(change))
        groups.setdefault(key, []).append(change)
    for (name, old, new, notes), changes in groups.items():
        architectures = ", ".join(change.architecture for change in changes)
        sizes = ", ".join(dict.fromkeys(_size(change) for change in changes))
        rows.append((name, architectures, old, new, sizes, notes))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    security = {change.name for change in found if change.security}
    names = {change.name for change in found}
    lines.append(f"{count(len(names), 'package')} changed, {len(security)} with a security fix")
    if layers:
        total = _kib(sum(layers.values()))
        lines.append(f"{count(len(layers), 'layer')} changed, {total} KiB: {', '.join(layers)}")
    return "\n".join(lines)


def _notes(change: Change) -> str:
    notes = []
    if change.security:
        notes.append("security")
    if change.downgrade:
        notes.append("DOWNGRADE")
    return ", ".join(notes)


def _version(package: LockedPackage | None) -> str:
    return package.version if package else "-"


def _size(change: Change) -> str:
    """The .deb's size, and by how much it grew if it was there before."""
    if change.new is None:
        assert change.old is not None
        return f"-{_kib(change.old.size)} KiB"
    if change.old is None:
        return f"{_kib(change.new.size)} KiB"
    return f"{_kib(change.new.size)} KiB ({_kib(change.new.size) - _kib(change.old.size):+d})"


def _kib(size: int) -> int:
    return -(-size // 1024)
