"""Holds the store below its limits: removes archives, least valuable first, never one in use.

In use is an image with a lease (load, save and `store lease` take one), and one that a container
runs from; where an engine is there and cannot be asked, every image counts as in use. Also removes
what crashed processes left, and blobs of the embedded push destination that no tag leads to.

Limits come from flags, or from the file that --policy names, by default images/cleanup.yaml of the
workspace; a flag wins over the file. Ends with 9 when a limit cannot be met without touching what
is in use or kept.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from typing import Any

from lading.commands import entry, flags, limits
from lading.commands.usage import count
from lading.engine import engines
from lading.errors import InputError, LadingError, LimitError, NotFoundError, visible
from lading.store import catalog_file, cleanup, collect, prune, sizes
from lading.store.entry import Entry
from lading.store.prune import Plan, Policy
from lading.store.root import store_root

__all__ = ["main"]

#: How often a plan is made anew for what came into use while it was carried out.
_ROUNDS = 5


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "")
    policy, remove_loaded = limits.read(values)
    root = store_root(values.store)
    if not root.is_dir():
        raise NotFoundError(f"there is no store at {root}", fix="give --store, or save an image")
    disk = disk_usage(root)
    if policy.min_free is not None and policy.min_free > disk.total:
        # A slip of the pen would empty the store, and reach nothing.
        raise InputError(
            f"min_free is {sizes.human(policy.min_free)}, and the whole file system of {root} has "
            f"{sizes.human(disk.total)}",
            fix="write less than that: --min-free=5G",
        )
    for problem in catalog_file.read(root).problems:
        text = f"the catalog has a bad entry, {problem}; archives without an entry stay"
        print(visible(f"lading: {text}"), file=sys.stderr)
    used, unknown = _used(values.daemon)
    left = cleanup.leftovers(root) if values.dry_run else cleanup.reap(root)
    blobs = sum(_collected(one, dry_run=values.dry_run) for one in collect.directories(root))
    # What goes first makes room; a dry run has to count it.
    coming = sum(one.size for one in left) + blobs if values.dry_run else 0
    plan, stayed = _planned(root, policy, used, unknown, coming), []
    first, removed = plan, list(plan.removals)
    loaded_in = (values.daemon or _there()) if remove_loaded and not values.dry_run else ()
    with contextlib.closing(_Unload(loaded_in)) as unload:
        for _ in range(0 if values.dry_run else _ROUNDS):
            busy = cleanup.carry_out(root, plan, unload)
            removed = [one for one in removed if one.item.entry.name not in busy]
            stayed += busy
            if not busy:
                break
            # Somebody began to use what was to go; something else may do.
            plan = _planned(root, policy, used, unknown)
            removed += plan.removals
    plan = replace(plan, removals=tuple(removed), before=first.before)
    if values.json:
        print(json.dumps(_object(plan, left, blobs, stayed, values.dry_run)))
    else:
        _print(plan, left, blobs, stayed, values.dry_run)
    if plan.unreached:
        names = ", ".join(f"{name} ({why})" for name, why in list(plan.protected.items())[:3])
        raise LimitError(
            f"the limit cannot be met: {'; '.join(plan.unreached)}",
            fix=f"kept: {names or 'nothing'}" + (", …" if len(plan.protected) > 3 else ""),
        )
    return 0


def _planned(
    root: Path, policy: Policy, used: Mapping[str, str], unknown: str, coming: int = 0
) -> Plan:
    """What is to go now; with an engine that cannot be asked, nothing.

    `coming` are bytes that the file system will have besides those that it has.
    """
    items = cleanup.snapshot(root, used)
    if unknown:
        why = f"{unknown} cannot be asked"
        items = [replace(item, in_use=item.in_use or why) for item in items]
    free = disk_usage(root).free + coming
    return prune.plan(items, policy, free=free, now=datetime.now(UTC))


def _collected(directory: Path, *, dry_run: bool) -> int:
    """The bytes collected in a layout; one that cannot be read keeps nothing else from going."""
    try:
        return collect.collect(directory, dry_run=dry_run)[1]
    except LadingError as error:
        print(f"lading: {directory} is left alone: {error.what}", file=sys.stderr)
        return 0


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.define_string("store", "", "Root of the store.", flag_values=values)
    limits.define(values)
    flags.define_multi_enum(
        "daemon", [], engines.ENGINES, "Engines to ask; those that are there.", flag_values=values
    )
    flags.define_bool("dry_run", False, "Remove nothing, print the plan.", flag_values=values)
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    return values


def _there() -> list[str]:
    """The engines of this machine. One that is set up wrongly counts: it cannot be asked."""

    def there(name: str) -> bool:
        try:
            return engines.present(name)
        except LadingError:
            return True

    return [name for name in engines.ENGINES if there(name)]


def _used(chosen: Sequence[str]) -> tuple[dict[str, str], str]:
    """What containers run from, by image id; and the engine that could not be asked, if any."""
    used: dict[str, str] = {}
    unknown = ""
    for name in chosen or _there():
        try:
            with contextlib.closing(engines.connect(name)) as engine:
                used |= {str(digest): f"a container of {name}" for digest in engine.used()}
        except LadingError as error:
            print(f"lading: {error.what}; nothing is removed", file=sys.stderr)
            unknown = name
    return used, unknown


class _Unload:
    """Takes removed images out of the engines as well, unless a container uses them there.

    An image that has the name but is another one is not lading's to remove (S0.9).

    Args:
        names: of the engines.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._engines = [engines.connect(name) for name in names]

    def close(self) -> None:
        """Ends the connections, and what was started to make them."""
        for engine in self._engines:
            engine.close()

    def __call__(self, item: Entry) -> None:
        for engine in self._engines:
            try:
                found = engine.find(item.docker_tag)
                if found is not None and str(found.id) in (item.digest, item.image_id):
                    engine.remove(item.docker_tag)
            except LadingError as error:
                print(f"lading: {item.name} stays in {engine.name}: {error.what}", file=sys.stderr)


def _object(
    plan: Plan, left: list[cleanup.Leftover], blobs: int, stayed: list[str], dry_run: bool
) -> dict[str, Any]:
    return {
        "dryRun": dry_run,
        "removed": [
            {"name": one.item.entry.name, "bytes": one.freed, "why": one.why}
            for one in plan.removals
        ],
        "kept": dict(plan.protected),
        "becameUsed": stayed,
        "leftovers": [{"path": str(one.path), "bytes": one.size, "what": one.what} for one in left],
        "blobBytes": blobs,
        "bytesBefore": plan.before,
        "bytesAfter": plan.after,
        "unreached": list(plan.unreached),
    }


def _print(
    plan: Plan, left: list[cleanup.Leftover], blobs: int, stayed: list[str], dry_run: bool
) -> None:
    verb = "would remove" if dry_run else "removed"
    for one in left:
        print(visible(f"{verb} {sizes.human(one.size):>10}  {one.path}: {one.what}"))
    if blobs:
        print(f"{verb} {sizes.human(blobs):>10}  blobs that no tag leads to")
    for removal in plan.removals:
        name = removal.item.entry.name
        print(f"{verb} {sizes.human(removal.freed):>10}  {name}: {removal.why}")
    for name in stayed:
        print(f"lading: {name} stays: somebody began to use it", file=sys.stderr)
    print(
        f"lading: {verb} {len(plan.removals)} of"
        f" {count(len(plan.removals) + len(plan.kept), 'image')},"
        f" {sizes.human(plan.before)} before, {sizes.human(plan.after)} after",
        file=sys.stderr,
    )


if __name__ == "__main__":
    entry.run(main)
