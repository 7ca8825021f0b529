"""The catalog and the archives brought together: `register`, `unregister`, `repair`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lading.commands.meter import Meter
from lading.commands.store.saving import define_facts, facts
from lading.commands.store.shared import Verb, described, dump
from lading.store import register

__all__ = ["register_", "repair_", "unregister_"]


def register_(argv: Sequence[str]) -> int:
    """store register NAME [--package=cmake …] [--tool=ninja …]

    Enters the archive images/<project>/NAME.tar of the store into the catalog, after reading it.
    """
    verb = Verb(register_.__doc__ or "")
    define_facts(verb.flags)
    [name] = verb.parse(argv, least=1, most=1)
    with Meter(f"{name}: read") as meter:
        item = register.register(verb.root, facts(name, verb.flags), progress=meter)
    if verb.json:
        dump(described(verb.root, item))
        return 0
    print(f"lading: {item.name} is registered", file=sys.stderr)
    return 0


def unregister_(argv: Sequence[str]) -> int:
    """store unregister NAME

    Takes the entry out of the catalog. The archive stays, until cleanup finds nobody needs it.
    """
    verb = Verb(unregister_.__doc__ or "")
    [name] = verb.parse(argv, least=1, most=1)
    register.unregister(verb.root, name)
    if verb.json:
        dump({"name": name})
    return 0


def repair_(argv: Sequence[str]) -> int:
    """store repair

    Enters archives that the catalog lacks, from what they say about themselves, and drops entries
    whose archives are gone. An unreadable catalog is kept beside the new one.
    """
    verb = Verb(repair_.__doc__ or "")
    verb.parse(argv, most=0)
    with Meter("archives: read") as meter:
        done = register.repair(verb.root, progress=meter)
    if verb.json:
        dump(
            {
                "entered": list(done.entered),
                "dropped": list(done.dropped),
                "refused": dict(done.refused),
                "kept": str(done.kept or ""),
            }
        )
        return 0
    for name in done.entered:
        print(f"entered {name}")
    for name in done.dropped:
        print(f"dropped {name}: its archive is gone")
    for file, why in done.refused.items():
        print(f"lading: {file} is left alone: {why}", file=sys.stderr)
    if done.kept:
        print(f"lading: the unreadable catalog is kept as {done.kept}", file=sys.stderr)
    if not (done.entered or done.dropped or done.kept):
        print("nothing to repair")
    return 0
