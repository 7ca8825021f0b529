"""Whiteouts: entries that hide what a layer below has (image-spec 1.1, layer.md, "Whiteouts")."""

from __future__ import annotations

import os

from lading.errors import InputError
from lading.layer.entries import FILE, Slice
from lading.layer.paths import OPAQUE, WHITEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lading.layer.entries import Entry

__all__ = ["check_whiteout"]


def check_whiteout(entry: Entry) -> None:
    """Refuses what is called like a whiteout and is none: engines would drop it, and hide another.

    Raises:
        InputError: it, or a directory that it is in, is more than an empty file, or it hides
            nothing that it may hide.
    """
    *above, name = entry.path.split("/")
    if any(part.startswith(WHITEOUT) for part in above):
        problem = "lies in a directory that is called like a whiteout"
    elif not name.startswith(WHITEOUT) or entry.implied:
        return  # what lies in the latter comes later, and has a source to be named
    elif entry.kind != FILE or _size(entry):
        problem = "is called like a whiteout and is no empty file"
    elif name != OPAQUE and (name[4:] in ("", ".", "..") or name[4:].startswith(WHITEOUT)):
        problem = "is a whiteout that names nothing it could hide"
    else:
        return
    raise InputError(
        f"{entry.describe()}: /{entry.path[:200]} {problem}; engines would not unpack it",
        fix=f"give it a name that does not begin with {WHITEOUT}",
    )


def _size(entry: Entry) -> int:
    source = entry.source
    if entry.size >= 0:
        return entry.size
    if isinstance(source, Slice):
        return source.size
    if isinstance(source, bytes):
        return len(source)
    try:
        return os.stat(source).st_size
    except OSError:
        return 0  # whoever reads it says why that cannot be done
