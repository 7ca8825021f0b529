"""Where an image's bytes go: layers, files, what is there twice, what nobody can see."""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from lading.errors import CorruptError
from lading.layer.view import FILE, View
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.scan.codec import Fault
from lading.scan.tar import scan_stream
from lading.store.image import Image

__all__ = ["Copies", "Files", "Layer", "measure", "wasted"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in bytes; `hidden` are those of files that later layers replace or remove."""

    descriptor: Descriptor
    uncompressed: int
    entries: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Copies:
    """One content of `size` bytes at several paths, each stored for itself."""

    size: int
    paths: tuple[str, ...]

    @property
    def waste(self) -> int:
        """Bytes that one copy fewer of each would save."""
        return self.size * (len(self.paths) - 1)


@dataclass(frozen=True, slots=True)
class Files:
    """An image's file system measured.

    `digests` has the sha256 of each regular file by the layer and the place in it that hold it.
    """

    view: View
    layers: tuple[Layer, ...]
    digests: dict[tuple[int, int], str]

    def digest(self, path: str) -> str:
        """The sha256 of the regular file at `path`, in hex."""
        node = self.view.find(path, follow=False)
        assert node is not None
        return self.digests.get((node.layer, node.offset), "")

    def biggest(self, count: int) -> list[tuple[int, str]]:
        """The largest files that can be seen, largest first, each by the first of its names."""
        files: dict[tuple[int, int], tuple[int, str]] = {}
        for path, node in self.view.walk():
            if node.type == FILE:
                files.setdefault((node.layer, node.offset), (node.size, path))
        return sorted(files.values(), key=lambda item: (-item[0], item[1]))[:count]

    def copies(self) -> list[Copies]:
        """Contents that are stored more than once, the most wasteful first; hard links are not."""
        places: defaultdict[str, dict[tuple[int, int], tuple[int, str]]] = defaultdict(dict)
        for path, node in self.view.walk():
            if node.type == FILE and node.size:
                key = (node.layer, node.offset)
                places[self.digests[key]].setdefault(key, (node.size, path))
        found = [
            Copies(next(iter(same.values()))[0], tuple(path for _, path in same.values()))
            for same in places.values()
            if len(same) > 1
        ]
        return sorted(found, key=lambda item: (-item.waste, item.paths))


def wasted(files: Files) -> int:
    """Uncompressed bytes that are hidden, or copies of what is there already."""
    return sum(layer.hidden for layer in files.layers) + sum(one.waste for one in files.copies())


def measure(content: Content, image: Image) -> Files:
    """Reads every layer of `image`; raises CorruptError for one that cannot be read."""
    view = View([functools.partial(content.open, layer) for layer in image.layers])
    digests: dict[tuple[int, int], str] = {}
    seen = {(node.layer, node.offset) for _, node in view.walk() if node.type == FILE}
    layers = []
    for number, layer in enumerate(image.layers):
        total = entries = hidden = 0
        for offset, size, kind, digest in _files(content, layer):
            entries += 1
            if kind != FILE:
                continue
            total += size
            digests[number, offset] = digest
            if (number, offset) not in seen:
                hidden += size
        layers.append(Layer(layer, total, entries, hidden))
    return Files(view, tuple(layers), digests)


def _files(content: Content, layer: Descriptor) -> Iterator[tuple[int, int, str, str]]:
    """Offset, size, type and sha256 of each entry."""

    def ignore(rule: str, at: str, what: str) -> None:
        """What is merely wrong is `verify`'s business."""

    try:
        with content.open(layer) as stream:
            scanner = scan_stream(stream, ignore)
            for entry in scanner:
                hasher = hashlib.sha256()
                if entry.type == FILE:
                    for piece in scanner.data():
                        hasher.update(piece)
                yield entry.offset, entry.size, entry.type, hasher.hexdigest()
    except Fault as fault:
        raise CorruptError(f"{layer.digest}: {fault.what}") from None
