"""What the store holds: `list`, `show`, `stats`."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lading.commands import usage
from lading.commands.store.shared import Verb, described, dump, selected, table
from lading.errors import visible
from lading.store import access, catalog_file, lease, sizes
from lading.store.catalog import Catalog

__all__ = ["list_", "show_", "stats_"]


def list_(argv: Sequence[str]) -> int:
    """store list [PATTERN…]

    Images by name; a pattern is one of the shell: 'capy-*'.
    """
    verb = Verb(list_.__doc__ or "")
    patterns = verb.parse(argv)
    found, entries = selected(verb.root, patterns)
    _warn(found)
    entries.sort(key=lambda item: item.name)
    if verb.json:
        dump([described(verb.root, item) for item in entries])
        return 0
    if not entries:
        print(f"lading: the store {verb.root} has no images", file=sys.stderr)
    table(
        {
            "name": item.name,
            "architecture": item.architecture,
            "size": sizes.human(item.size),
            "last used": item.last_used,
            "uses": str(item.usage_count),
        }
        for item in entries
    )
    return 0


def show_(argv: Sequence[str]) -> int:
    """store show NAME

    The catalog's entry, where the archive is, and who holds a lease on it.
    """
    verb = Verb(show_.__doc__ or "")
    [name] = verb.parse(argv, least=1, most=1)
    item = access.find(catalog_file.read(verb.root), name)
    holders = lease.holders(verb.root, name)
    if verb.json:
        leases = [
            {"process": one.process, "purpose": one.purpose, "since": one.since} for one in holders
        ]
        dump({**described(verb.root, item), "leases": leases})
        return 0
    for key, value in described(verb.root, item).items():
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        print(visible(f"{key + ':':<14}{text}").rstrip())
    for holder in holders:
        print(visible(f"{'lease:':<14}{holder}"))
    return 0


def stats_(argv: Sequence[str]) -> int:
    """store stats

    Images and bytes by project, and what the file system has left.
    """
    verb = Verb(stats_.__doc__ or "")
    verb.parse(argv, most=0)
    from lading.store import cleanup
    from lading.store.usage import Usage

    root = verb.root
    found = catalog_file.read(root)
    _warn(found)
    count = Counter(item.parsed.project for item in found.entries)
    size: Counter[str] = Counter()
    items = cleanup.measured(root, found.entries)
    for item in items:
        size[item.entry.parsed.project] += item.size
    missing = len(found.entries) - len(items)
    together = Usage((item.entry.name, item.size, item.shared) for item in items).total
    free = shutil.disk_usage(root if root.exists() else Path("/")).free
    if verb.json:
        projects = {name: {"images": count[name], "bytes": size[name]} for name in sorted(count)}
        sums = {"bytesOnDisk": together, "missing": missing, "free": free}
        dump({"store": str(root), "projects": projects, **sums})
        return 0
    table(
        {"project": name, "images": str(count[name]), "size": sizes.human(size[name])}
        for name in sorted(count)
    )
    less = f" ({sizes.human(together)} on the disk)" if together != sum(size.values()) else ""
    print(
        f"{usage.count(sum(count.values()), 'image')}, {sizes.human(sum(size.values()))}{less}; "
        f"{sizes.human(free)} free in {root}"
    )
    if missing:
        print(
            f"lading: {usage.count(missing, 'archive')} missing; verify names them", file=sys.stderr
        )
    return 0


def _warn(found: Catalog) -> None:
    for problem in found.problems:
        print(visible(f"lading: the catalog has a bad entry, {problem}"), file=sys.stderr)
