"""Shows what differs between two images: files, config, layers.

    diff OLD NEW         each an oci:DIRECTORY[:TAG], a directory, an archive, or a reference

Ends with 0 when nothing differs, and with 1 when something does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lading.commands import anywhere, connection, entry, flags
from lading.commands.usage import count
from lading.errors import UsageError, visible
from lading.oci import document
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store import sizes
from lading.verify.differences import Change, config_changes, file_changes
from lading.verify.sizes import Files, measure

__all__ = ["main"]

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = flags.FlagValues()
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    flags.define_string("platform", "", "Of indexes, os/architecture.", flag_values=values)
    connection.define(values)
    words = entry.parse(values, argv, usage=__doc__ or "")
    if len(words) != 2:
        raise UsageError(f"{count(len(words), 'image')} named", fix="usage: diff OLD NEW")
    (old, old_files), (new, new_files) = (_read(word, values) for word in words)
    files = list(file_changes(old_files, new_files))
    configs = list(config_changes(_config(old), _config(new)))
    kept = {layer.digest for layer in old.layers} & {layer.digest for layer in new.layers}
    if values.json:
        print(json.dumps(_object(old, new, files, configs, len(kept))))
    else:
        _print(old, new, files, configs, len(kept))
    return 1 if files or configs else 0


def _read(name: str, values: flags.FlagValues) -> tuple[images.Image, Files]:
    platform = Platform.parse(values.platform) if values.platform else None
    with anywhere.opened(name, lambda: connection.connect(values)) as found:
        image = images.read(found.content, found.root, platform)
        return image, measure(found.content, image)


def _config(image: images.Image) -> dict[str, Any]:
    value = document.loads_object(image.config_bytes, what="config")
    # Both follow from the layers, which are compared as files.
    return {key: item for key, item in value.items() if key not in ("rootfs", "history")}


def _object(
    old: images.Image,
    new: images.Image,
    files: list[Change],
    configs: list[tuple[str, Any, Any]],
    kept: int,
) -> dict[str, Any]:
    return {
        "old": str(old.manifest.digest),
        "new": str(new.manifest.digest),
        "files": [
            {"kind": one.kind, "path": one.path, "what": one.what, "bytes": one.size}
            for one in files
        ],
        "config": [{"at": at, "old": first, "new": second} for at, first, second in configs],
        "layers": {"old": len(old.layers), "new": len(new.layers), "shared": kept},
        "compressedBytes": new.size - old.size,
    }


def _print(
    old: images.Image,
    new: images.Image,
    files: list[Change],
    configs: list[tuple[str, Any, Any]],
    kept: int,
) -> None:
    for at, first, second in configs:
        print(visible(f"config {at}: {_shown(first)} → {_shown(second)}"))
    for one in files:
        more = f"  ({', '.join(one.what)})" if one.what else ""
        print(visible(f"{_SIGNS[one.kind]} {one.path}{more}"))
    grown = new.size - old.size
    sign = "-" if grown < 0 else "+"
    print(
        f"{count(len(files), 'file')}, {count(len(configs), 'value')} of the config differ;"
        f" {kept} of {len(new.layers)} layers are shared;"
        f" {sign}{sizes.human(abs(grown))} compressed"
    )


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


if __name__ == "__main__":
    entry.run(main)
