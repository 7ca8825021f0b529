"""Tables of contents that lie, in either format: what tests of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lading.oci.verify_rules import Finding
from lading.verify.place import Options, verify_directory
from tests.unit.verify.seeds import Spoilt

__all__ = ["LIES", "Entries", "findings", "of"]

Entries = list[dict[str, Any]]


def findings(
    tmp_path: Path, tar: bytes, blob: bytes, layer: Mapping[str, object]
) -> tuple[Finding, ...]:
    """What is wrong with an image of that layer, whose descriptor has the values of `layer`."""
    spoilt = Spoilt(tmp_path / "layout")
    spoilt.set_layer(tar, blob)
    spoilt.change_manifest(lambda value: value["layers"][0].update(layer))
    found = verify_directory(spoilt.directory, Options()).findings
    return tuple(item for item in found if item.rule != "layout-unreferenced")


def of(entries: Entries, name: str, kind: str = "reg") -> dict[str, Any]:
    """The first one of that name and type."""
    return next(item for item in entries if (item["name"], item["type"]) == (name, kind))


#: About a layer with `bin/small` and a link to it, and `bin/large` of several chunks.
LIES: dict[str, Callable[[Entries], object]] = {
    "another size": lambda all_: of(all_, "bin/small").update(size=4),
    "a size beyond all memory": lambda all_: of(all_, "bin/large").update(size=1 << 62),
    "a program with its user's rights": lambda all_: of(all_, "bin/small").update(mode=0o4755),
    "another owner": lambda all_: of(all_, "bin/small").update(uid=1000),
    "another attribute": lambda all_: of(all_, "bin/small").update(xattrs={"user.key": "AAAA"}),
    "another target": lambda all_: of(all_, "bin/link", "symlink").update(linkName="/bin/sh"),
    "another name": lambda all_: of(all_, "bin/small").update(name="bin/other"),
    "a file too few": lambda all_: all_.remove(of(all_, "bin/small")),
    "a file too many": lambda all_: all_.append({**of(all_, "bin/small"), "name": "bin/more"}),
    "a file twice": lambda all_: all_.append(dict(of(all_, "bin/small"))),
    "a number for a name": lambda all_: of(all_, "bin/small").update(name=5),
    "no type": lambda all_: of(all_, "bin/small").pop("type"),
}
