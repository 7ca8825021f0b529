"""Flags and output that the verbs of the store share."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lading.commands import entry as commands
from lading.commands import flags
from lading.commands.usage import count
from lading.errors import NotFoundError, UsageError, visible
from lading.store import access, catalog_file, places
from lading.store.catalog import Catalog
from lading.store.entry import Entry
from lading.store.root import store_root

__all__ = ["Verb", "described", "dump", "selected", "table"]


class Verb:
    """The flags of one verb: define more on `flags`, then `parse`."""

    def __init__(self, usage: str) -> None:
        self._usage = usage
        self.flags = flags.FlagValues()
        flags.define_string("store", "", "Root of the store.", flag_values=self.flags)
        flags.define_bool("json", False, "Print one JSON value.", flag_values=self.flags)

    def parse(self, argv: Sequence[str], *, least: int = 0, most: int | None = None) -> list[str]:
        """The words that are no flags, at least and at most so many; raises UsageError."""
        words = commands.parse(self.flags, argv, usage=self._usage)
        if len(words) < least or (most is not None and len(words) > most):
            usage = self._usage.strip().splitlines()[0]
            raise UsageError(f"{count(len(words), 'argument')} given", fix=f"usage: {usage}")
        return words

    @property
    def root(self) -> Path:
        """The store."""
        return store_root(self.flags.store)

    @property
    def json(self) -> bool:
        """Whether a machine reads the output."""
        return bool(self.flags.json)


def described(root: Path, item: Entry) -> dict[str, Any]:
    """An entry for `--json`: the catalog's keys, and where the archive is."""
    return {**item.to_values(), "path": str(places.inside(root, item.file))}


def selected(root: Path, patterns: Sequence[str]) -> tuple[Catalog, list[Entry]]:
    """The entries that any of the shell patterns fits, all of them without one.

    Raises NotFoundError for a pattern that fits nothing.
    """
    found = catalog_file.read(root)
    chosen: dict[str, Entry] = {}
    for pattern in patterns or ["*"]:
        fitting = [item for item in found.entries if fnmatch.fnmatchcase(item.name, pattern)]
        if patterns and not fitting:
            if any(char in pattern for char in "*?["):
                raise NotFoundError(
                    f"the store has no image that {pattern!r} fits", fix="list shows what is there"
                )
            access.find(found, pattern)
        chosen |= {item.name: item for item in fitting}
    return found, list(chosen.values())


def table(rows: Iterable[Mapping[str, str]]) -> None:
    """Prints rows as aligned columns under their names; nothing for no rows."""
    # An architecture and a time of a catalog are texts that others wrote.
    lines = [{key: visible(text) for key, text in row.items()} for row in rows]
    if not lines:
        return
    widths = {key: max(len(key), *(len(row[key]) for row in lines)) for key in lines[0]}
    print("  ".join(key.upper().ljust(width) for key, width in widths.items()).rstrip())
    for row in lines:
        print("  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip())


def dump(value: Any) -> None:
    """Prints a JSON value for a machine."""
    print(json.dumps(value))
