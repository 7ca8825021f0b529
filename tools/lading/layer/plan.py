"""Collects entries from all sources into one ordered plan without conflicts."""

from __future__ import annotations

from lading.errors import ConflictError, InputError
from lading.layer.entries import (
    DIRECTORY,
    SYMLINK,
    Entry,
    apply,
    check_name,
)
from lading.layer.paths import WHITEOUT, parent_meta, sort_key
from lading.layer.reading import same_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Plan"]


class Plan:
    """The entries of a layer by path, checked as they are added."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Adds an entry; the image's root itself is left out, it is there already.

        Raises:
            ConflictError: another source has something else at the same path.
            InputError: the name cannot be written.
        """
        path = entry.path
        there = self.entries.setdefault(path, entry)
        if there is not entry:
            self.entries[path] = _merge(there, entry)
        elif not path.isascii() or "\0" in path:
            check_name(path, origin=entry.describe())

    def add_all(self, entries: Sequence[Entry]) -> None:
        """Adds many entries, of which each has a name that was checked; raises as `add`."""
        if not self.entries:
            self.entries = {entry.path: entry for entry in entries}
            if len(self.entries) == len(entries):
                return
            self.entries = {}
        for entry in entries:
            self.add(entry)

    def override(self, path: str, changes: Mapping[str, object], *, what: str) -> None:
        """Changes the metadata of the entry at exactly `path`; call it after `add_parents`.

        Raises:
            InputError: there is no such entry.
        """
        entry = self.entries.get(path)
        if entry is None:
            near = [other for other in self.entries if other.endswith(path.rpartition("/")[2])]
            fix = f"did you mean /{min(near, key=len)}?" if near and path else "name an entry of it"
            raise InputError(f"{what}: metadata for /{path}, which is not in the layer", fix=fix)
        apply(entry, changes)

    def add_parents(self, *, create: bool) -> None:
        """Checks that everything lies in directories, and adds those that are missing.

        Args:
            create: whether missing directories become entries.

        Raises:
            ConflictError: something lies below an entry that is no directory.
        """
        entries = self.entries
        good = {""}
        # A dictionary has an order, which a set has not: it decides which conflict is told of.
        for parent in {path.rpartition("/")[0]: None for path in entries}:
            directory = parent
            while directory not in good:
                there = entries.get(directory)
                if there is None:
                    if create:
                        entries[directory] = Entry(
                            directory, DIRECTORY, parent_meta(directory), implied=True
                        )
                elif there.kind != DIRECTORY:
                    _refuse_below(there, self._first_below(parent))
                good.add(directory)
                directory = directory.rpartition("/")[0]

    def _first_below(self, parent: str) -> Entry:
        return next(
            entry for path, entry in self.entries.items() if path.rpartition("/")[0] == parent
        )

    def ordered(self) -> list[Entry]:
        """The entries in the order of the archive: parents before children, by UTF-8 bytes.

        Raises:
            InputError: something is called like a whiteout and is none.
        """
        self.entries.pop("", None)
        has_whiteouts = WHITEOUT in "\n".join(self.entries)
        if has_whiteouts:
            from lading.layer.whiteouts import check_whiteout

            for path, entry in self.entries.items():
                if WHITEOUT in path:
                    check_whiteout(entry)
        paths = sorted(self.entries, key=sort_key if has_whiteouts else None)
        return list(map(self.entries.__getitem__, paths))


def _refuse_below(there: Entry, entry: Entry) -> None:
    if there.kind == SYMLINK:
        fix = f"write the path that /{there.path} points to ({there.link})"
        kind = "a symbolic link"
    else:
        fix, kind = "remove one of them", "a file"
    raise ConflictError(
        f"/{entry.path} from {entry.describe()} lies below /{there.path}, "
        f"{kind} from {there.describe()}",
        fix=fix,
    )


def _merge(one: Entry, two: Entry) -> Entry:
    """What stands for two entries with the same path, whatever their order."""
    if one.kind == two.kind == DIRECTORY:
        if one.meta.replace({"mtime": 0}) == two.meta.replace({"mtime": 0}):
            return one if one.meta.mtime >= two.meta.mtime else two
        raise _conflict(one, two, "with different metadata")
    if one.kind != two.kind:
        raise _conflict(one, two, "of different kinds")
    if one.kind == SYMLINK:
        if one.link != two.link:
            raise _conflict(one, two, "with different targets")
    elif not same_content(one.source, two.source):
        raise _conflict(one, two, "with different content")
    if one.meta != two.meta:
        raise _conflict(one, two, "with different metadata")
    return one


def _conflict(one: Entry, two: Entry, how: str) -> ConflictError:
    names = sorted((one.describe(), two.describe()))
    return ConflictError(
        f"/{one.path} comes from two sources {how}: {names[0]} and {names[1]}",
        fix="keep one of them",
    )
