"""The SharingReport action: which layers a set of images has in common, and what that saves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lading.actions import flags, worker
from lading.oci import document, parts
from lading.store import sizes

__all__ = ["Report", "report", "run"]

_LISTED = 20


class Report(NamedTuple):
    """Bytes are those of compressed layers, as they are stored, pushed and pulled."""

    #: Every image with all of its layers.
    separate: int
    #: Every layer once.
    stored: int
    #: Digest of a layer to its size and the images that have it, the most bytes saved first.
    layers: Mapping[str, tuple[int, tuple[str, ...]]]
    #: Image to its size.
    images: Mapping[str, int]

    @property
    def saved(self) -> int:
        return self.separate - self.stored


def run(request: worker.Request) -> None:
    """Writes the report.

    Args:
        request: its arguments are `--image=NAME<TAB>MANIFEST` for each image, and the outputs
            `--text=` and `--json=`.

    Raises:
        LadingError: a manifest cannot be read.
    """
    one, many = flags.parse(request.arguments, required=("text", "json"), repeated=("image",))
    images = {}
    for item in many["image"]:
        name, path = flags.tabbed(item, "--image", "NAME<TAB>MANIFEST")
        value = document.loads_object(flags.read(path), what=path)
        images[name] = [parts.check_descriptor(layer, what=path) for layer in value["layers"]]
    found = report(
        {
            name: [(layer["digest"], layer["size"]) for layer in layers]
            for name, layers in images.items()
        }
    )
    flags.write(one["text"], _text(found).encode())
    flags.write(one["json"], _json(found).encode())


def report(images: Mapping[str, Sequence[tuple[str, int]]]) -> Report:
    """Compares images, given as their layers' digests and sizes."""
    users: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for name, layers in sorted(images.items()):
        for digest, size in dict(layers).items():
            sizes[digest] = size
            users.setdefault(digest, []).append(name)
    ordered = sorted(users, key=lambda digest: (-sizes[digest] * (len(users[digest]) - 1), digest))
    return Report(
        separate=sum(sizes[digest] * len(names) for digest, names in users.items()),
        stored=sum(sizes.values()),
        layers={digest: (sizes[digest], tuple(users[digest])) for digest in ordered},
        images={name: sum(dict(layers).values()) for name, layers in sorted(images.items())},
    )


def _json(found: Report) -> str:
    value = {
        "separate": found.separate,
        "stored": found.stored,
        "saved": found.saved,
        "images": found.images,
        "layers": [
            {"digest": digest, "size": size, "images": names}
            for digest, (size, names) in found.layers.items()
        ],
    }
    return json.dumps(value, indent=2) + "\n"


def _text(found: Report) -> str:
    share = f" ({100 * found.saved // found.separate} %)" if found.separate else ""
    lines = [
        f"{len(found.images)} images, {len(found.layers)} different layers",
        f"{sizes.human(found.separate):>12}  if each image had its layers to itself",
        f"{sizes.human(found.stored):>12}  with every layer once",
        f"{sizes.human(found.saved):>12}  saved{share}",
        "",
        "  saved         size  images  layer",
    ]
    shared = [(digest, item) for digest, item in found.layers.items() if len(item[1]) > 1]
    for digest, (size, names) in shared[:_LISTED]:
        saved = sizes.human(size * (len(names) - 1))
        lines.append(f"{saved:>10}  {sizes.human(size):>10}  {len(names):>6}  {digest[:19]}")
    if len(shared) > _LISTED:
        lines.append(f"and {len(shared) - _LISTED} more shared layers")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    worker.main(run)
