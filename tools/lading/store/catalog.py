"""The catalog as text: what `image-registry.yml` says, and the text that says something else.

A change touches the lines it has to and leaves every other byte as it was, so comments, order,
layout and unknown keys of people and other programs survive. Only a catalog that is not written
as one list item a mapping, each on lines of its own, is written anew as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lading.errors import CorruptError, InputError, LadingError
from lading.store.entry import Entry

__all__ = ["EMPTY", "Catalog", "drop", "parse", "put"]

_HEADER = """\
# The catalog of the image store. lading keeps it up to date; changes by hand are respected.
version: "1.0"
images:
"""
_DASH = re.compile(r"( *)- +")
#: The end of a key, with what may stand between it and a value on another line.
_VALUE_LESS = re.compile(r":(?:[ \t\r\n]|#[^\n]*\n)*\Z")
#: Line breaks that only some versions of YAML know; a text with one is not edited in place.
_ODD_BREAK = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_REPAIR = "bazel run @lading//images:store -- repair rebuilds it from the archives"


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog that was read.

    `spans` are the places of the entries in the text, as first character and the one after the
    last line, in the order of `entries`. `insert_at` is where the next entry goes, -1 when the
    text cannot be edited in place. `problems` are entries that cannot be used, for people.
    """

    text: str
    entries: tuple[Entry, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    insert_at: int = -1
    indent: int = 2
    problems: tuple[str, ...] = ()

    def find(self, name: str) -> Entry | None:
        """The entry called `name`."""
        return next((entry for entry in self.entries if entry.name == name), None)


EMPTY = Catalog(_HEADER, insert_at=len(_HEADER))


def parse(text: str, *, what: str) -> Catalog:
    """Reads a catalog.

    One bad entry is a problem of the catalog, not its end; a later entry with the name of an
    earlier one is a problem too.

    Raises:
        CorruptError: it is no catalog at all.
        LimitError: it nests too deep.
    """
    from lading import yamltext

    try:
        node = yamltext.parse(text, what=what)
    except CorruptError as error:
        raise CorruptError(error.what, fix=error.fix or _REPAIR) from None
    if node is None:
        raise CorruptError(f"{what} is empty", fix=_REPAIR)
    if not isinstance(node.value, dict):
        raise CorruptError(f"{what} is not a catalog: it is no mapping", fix=_REPAIR)
    version = node.value.get("version", "1.0")
    if str(version).split(".")[0] != "1":
        raise CorruptError(f"{what} has the version {version!r:.40}, this lading reads 1.0")
    listed = node.children.get("images")
    if listed is None or (listed.value is not None and not isinstance(listed.value, list)):
        raise CorruptError(f"{what} is not a catalog: it has no list of images", fix=_REPAIR)
    entries, spans, problems = [], [], []
    names: set[str] = set()
    # A list in brackets, or nothing at all behind the key, has no lines of its own.
    regular = _ODD_BREAK.search(text) is None and (not listed.inline or listed.start == listed.end)
    indents: set[int] = set()
    for child in listed.children or ():
        start = text.rfind("\n", 0, child.start) + 1
        dash = _DASH.fullmatch(text, start, child.start)
        indents.add(len(dash[1]) if dash else -1)
        try:
            if not isinstance(child.value, dict):
                raise CorruptError("it is no mapping")
            entry = Entry.from_values(child.value)
            if entry.name in names:
                raise CorruptError("an earlier entry has the same name")
        except LadingError as error:
            name = child.value.get("name", "?") if isinstance(child.value, dict) else "?"
            line = text.count("\n", 0, start) + 1
            problems.append(f"line {line}, {name!r:.100}: {error.what}")
            continue
        names.add(entry.name)
        entries.append(entry)
        spans.append((start, _line_end(text, child.end)))
    regular = regular and len(indents) <= 1 and -1 not in indents
    insert_at = _line_end(text, listed.children[-1].end if listed.children else listed.start)
    return Catalog(
        text,
        tuple(entries),
        tuple(spans),
        insert_at if regular else -1,
        min(indents, default=2),
        tuple(problems),
    )


def put(catalog: Catalog, entry: Entry) -> Catalog:
    """The catalog with `entry` in the place of the one of the same name, or at the end."""
    old = catalog.find(entry.name)
    if old == entry:
        return catalog
    if catalog.insert_at < 0:
        return _rewritten(catalog, entry, drop_name="")
    if old is None:
        block = _block(entry, catalog.indent)
        at = catalog.insert_at
        if at and catalog.text[at - 1] != "\n":
            block = "\n" + block
        added = replace(
            catalog, entries=(*catalog.entries, entry), spans=(*catalog.spans, (at, at))
        )
        return _spliced(added, len(catalog.entries), at, at, block)
    place = catalog.entries.index(old)
    start, end = catalog.spans[place]
    block = _changed(catalog.text[start:end], old, entry, catalog.indent)
    entries = (*catalog.entries[:place], entry, *catalog.entries[place + 1 :])
    return _spliced(replace(catalog, entries=entries), place, start, end, block)


def drop(catalog: Catalog, name: str) -> Catalog:
    """The catalog without the entry called `name`, and without the comment right above it."""
    old = catalog.find(name)
    if old is None:
        return catalog
    if catalog.insert_at < 0:
        return _rewritten(catalog, None, drop_name=name)
    place = catalog.entries.index(old)
    start, end = catalog.spans[place]
    if place:
        start = _above(catalog.text, start, catalog.spans[place - 1][1])
    less = replace(
        catalog,
        entries=catalog.entries[:place] + catalog.entries[place + 1 :],
        spans=catalog.spans[:place] + catalog.spans[place + 1 :],
    )
    return _spliced(less, -1, start, end, "")


def _spliced(catalog: Catalog, place: int, start: int, end: int, block: str) -> Catalog:
    """The catalog with `block` for the text from `start` to `end`, everything after it moved.

    `place` is the entry that `block` is now, -1 for none.
    """
    delta = len(block) - (end - start)
    spans = [
        (start + len(block) - len(block.lstrip("\n")), start + len(block))
        if number == place
        else (first + delta, last + delta)
        if first >= end
        else (first, last)
        for number, (first, last) in enumerate(catalog.spans)
    ]
    text = catalog.text[:start] + block + catalog.text[end:]
    at = catalog.insert_at
    insert_at = start + len(block) if start <= at <= end else at + delta if at > end else at
    return replace(catalog, text=text, spans=tuple(spans), insert_at=insert_at)


def _changed(block: str, old: Entry, new: Entry, indent: int) -> str:
    """The lines of an entry with other values for the keys that differ."""
    from lading import yamltext

    before, after = old.to_values(), new.to_values()
    changes = {key: value for key, value in after.items() if before.get(key) != value}
    [node] = _parsed(block).children
    edits: list[tuple[int, int, str]] = []
    added = ""
    key_indent = " " * (node.start - (block.rfind("\n", 0, node.start) + 1))
    for key, value in changes.items():
        child = node.children.get(key)
        text = yamltext.dumps_value(value)
        if child is None:
            added += f"{key_indent}{key}: {text}\n"
        elif child.inline and child.start != child.end:
            edits.append((child.start, child.end, text))
        elif colon := _VALUE_LESS.search(block, 0, child.start):
            # A list over several lines, or no value at all.
            edits.append((colon.start() + 1, max(colon.start() + 1, child.end), f" {text}"))
    if set(before) - set(after):
        return _block(new, indent)
    for start, end, text in sorted(edits, reverse=True):
        block = block[:start] + text + block[end:]
    if added and not block.endswith("\n"):
        block += "\n"
    block += added
    # The lines of a person may have any form: what does not read back as meant is not kept.
    try:
        if Entry.from_values(_parsed(block).value[0]) == new:
            return block
    except LadingError:
        pass
    return _block(new, indent)


def _parsed(block: str) -> Any:
    from lading import yamltext

    node = yamltext.parse(block, what="an entry")
    assert node is not None
    return node


def _block(entry: Entry, indent: int) -> str:
    """An entry's lines as lading writes them.

    Raises InputError when they cannot be read: every reader would refuse the whole catalog.
    """
    from lading import yamltext

    margin = " " * indent
    lines = [f"{key}: {yamltext.dumps_value(value)}" for key, value in entry.to_values().items()]
    block = f"{margin}- " + f"\n{margin}  ".join(lines) + "\n"
    try:
        found = parse(_HEADER + block, what="its entry")
    except LadingError as error:
        raise InputError(f"{entry.name} cannot stand in a catalog: {error.what}") from None
    if found.problems:
        raise InputError(f"{entry.name} cannot stand in a catalog: {found.problems[0]}")
    return block


def _rewritten(catalog: Catalog, entry: Entry | None, *, drop_name: str) -> Catalog:
    """The whole catalog written anew, with one entry put or dropped."""
    from lading import yamltext

    node = yamltext.parse(catalog.text, what="the catalog")
    assert node is not None
    head: Mapping[str, Any] = {"version": "1.0", **node.value}
    lines = [
        f"{yamltext.dumps_value(key)}: {yamltext.dumps_value(value)}\n"
        for key, value in head.items()
        if key != "images"
    ]
    lines.append("images:\n")
    done = entry is None
    for value in node.value["images"] or ():
        name = value.get("name") if isinstance(value, dict) else None
        if drop_name and name == drop_name:
            continue
        if entry is not None and name == entry.name:
            lines.append(_block(entry, 2))
            done = True
        elif isinstance(value, dict) and value:
            lines.append(_lines(value))
        else:
            lines.append(f"  - {yamltext.dumps_value(value)}\n")
    if not done and entry is not None:
        lines.append(_block(entry, 2))
    return parse("".join(lines), what="the catalog")


def _lines(value: Mapping[str, Any]) -> str:
    from lading import yamltext

    items = (
        f"{yamltext.dumps_value(key)}: {yamltext.dumps_value(item)}" for key, item in value.items()
    )
    return "  - " + "\n    ".join(items) + "\n"


def _line_end(text: str, place: int) -> int:
    """The index after the line that `place` is in, or is right behind."""
    if place and text[place - 1] == "\n":
        return place
    found = text.find("\n", place)
    return len(text) if found < 0 else found + 1


def _above(text: str, start: int, floor: int) -> int:
    """The start of the comment lines right above `start`, not above `floor`."""
    while start > floor:
        line = text.rfind("\n", 0, start - 1) + 1
        if line < floor or not text[line:start].lstrip(" ").startswith("#"):
            break
        start = line
    return start
