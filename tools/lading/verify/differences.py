"""What differs between two images: files and config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lading.layer.view import FILE, SYMLINK, Node
from lading.verify.sizes import Files

__all__ = ["Change", "config_changes", "file_changes"]


#: Character and block devices, spelled as the typeflag of a tar header.
_DEVICES = ("3", "4")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `kind` is added, removed or changed; `what` names what changed."""

    kind: str
    path: str
    what: tuple[str, ...] = ()
    size: int = 0


def file_changes(old: Files, new: Files) -> Iterator[Change]:
    """Paths that differ, sorted. `size` is how many bytes the image's files grow by."""
    before, after = dict(old.view.walk()), dict(new.view.walk())
    for path in sorted(before.keys() | after.keys()):
        first, second = before.get(path), after.get(path)
        if first is None and second is not None:
            yield Change("added", path, size=second.size)
        elif second is None and first is not None:
            yield Change("removed", path, size=-first.size)
        elif first is not None and second is not None:
            what = tuple(_differences(first, second, old, new, path))
            if what:
                yield Change("changed", path, what, second.size - first.size)


def _differences(first: Node, second: Node, old: Files, new: Files, path: str) -> Iterator[str]:
    if first.type != second.type:
        yield f"type {first.type} → {second.type}"
        return
    if first.type == FILE and (first.size != second.size or old.digest(path) != new.digest(path)):
        yield "content"
    if first.type == SYMLINK and first.link != second.link:
        yield f"link {first.link} → {second.link}"
    if first.mode != second.mode:
        yield f"mode {first.mode:04o} → {second.mode:04o}"
    if (first.uid, first.gid) != (second.uid, second.gid):
        yield f"owner {first.uid}:{first.gid} → {second.uid}:{second.gid}"
    if first.type in _DEVICES and first.device != second.device:
        yield "device {}:{} → {}:{}".format(*first.device, *second.device)
    for name in sorted(first.attributes.keys() | second.attributes.keys()):
        if first.attributes.get(name) != second.attributes.get(name):
            yield f"attribute {name}"


def config_changes(old: Any, new: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """JSON pointers at which two configs differ, with both values; None stands for absent."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            place = key.replace("~", "~0").replace("/", "~1")
            yield from config_changes(old.get(key), new.get(key), f"{at}/{place}")
    elif old != new:
        yield at, old, new
