"""The file system of an image: its layers one over the other, without unpacking them.

image-spec 1.1, layer.md, "Applying Changesets". Only headers are kept; the content of a file is
read from its layer when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from lading.errors import CorruptError, LimitError
from lading.layer.entries import DIRECTORY, FILE, LINK, SYMLINK
from lading.layer.paths import OPAQUE, WHITEOUT
from lading.scan.pax import attributes
from lading.scan.tar import Entry, TarScanner, scan_stream

__all__ = ["DIRECTORY", "FILE", "SYMLINK", "Node", "Opener", "View"]

#: As many symbolic links as Linux follows in one path.
_MAX_LINKS = 40
#: Files and directories that layers put somewhere; no distribution comes near.
_MAX_NODES = 4_000_000
_MAX_READ = 1 << 30
#: Faults after which nothing that follows can be trusted. Others are a verifier's business.
_FATAL = frozenset(
    {
        "compression-corrupt",
        "limit-name",
        "tar-header",
        "tar-pax",
        "tar-size-disagreement",
        "tar-truncated",
    }
)

#: What nearly all files have.
_NONE: Mapping[str, bytes] = {}

Opener = Callable[[], BinaryIO]


class Node:
    """A file, directory, link or device of an image.

    `type` is the tar typeflag (FILE, SYMLINK, DIRECTORY, …), `mode` the permission bits, `link`
    a symbolic link's target, `attributes` the extended ones by name, `device` major and minor
    number. A directory that no layer lists has mode 0755 and owner 0:0. `layer` is the number of
    the last layer that has it; for a file, that is where its content is.
    """

    __slots__ = (
        "attributes", "children", "device", "gid", "layer", "link", "mode", "offset", "size",
        "type", "uid",
    )  # fmt: skip

    def __init__(
        self, typeflag: str, mode: int, uid: int, gid: int, *, layer: int, size: int = 0,
        offset: int = 0, link: str = "",
    ) -> None:  # fmt: skip
        self.type = typeflag
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.layer = layer
        self.size = size
        self.offset = offset
        self.link = link
        self.attributes: Mapping[str, bytes] = _NONE
        self.device = (0, 0)
        self.children: dict[str, Node] = {}


class View:
    """The files of an image.

    Args:
        layers: opens each layer blob, lowest first; gzip, zstd or plain tar.

    Raises CorruptError for a layer that cannot be read to its end, LimitError for too many files.
    """

    def __init__(self, layers: Sequence[Opener]) -> None:
        self._layers = layers
        self.root = Node(DIRECTORY, 0o755, 0, 0, layer=-1)
        self._made = 0
        self._pruned: set[Node] = set()
        for number in range(len(layers)):
            self._apply(number)

    def find(self, path: str, *, follow: bool = True) -> Node | None:
        """The node at `path`, None when there is none.

        Args:
            path: absolute or relative to the root; links in it never leave the root.
            follow: whether a symbolic link at its very end is followed too.
        """
        return self._find(path, follow=follow)[1]

    def resolve(self, path: str) -> str | None:
        """The path that `path` names once all its links are followed, None for a dangling one."""
        resolved, node = self._find(path, follow=True)
        return resolved if node is not None else None

    def read(self, node: Node, *, limit: int) -> bytes:
        """The content of a regular file; raises LimitError above `limit` bytes."""
        if node.size > limit:
            raise LimitError(f"a file of {node.size} bytes is more than the {limit} allowed")
        return self.head(node, node.size)

    def head(self, node: Node, size: int) -> bytes:
        """The first `size` bytes of a regular file, or all of a shorter one."""
        size = min(size, node.size)
        for entry, scanner in self._entries(node.layer):
            if entry.offset == node.offset and entry.type == FILE:
                data = bytearray()
                for piece in scanner.data():
                    data += piece[: size - len(data)]
                    if len(data) == size:
                        break
                if len(data) == size:
                    return bytes(data)
        raise CorruptError(f"layer {node.layer + 1} changed while it was read")

    def read_each(self, nodes: Iterable[Node]) -> Iterator[tuple[Node, bytes]]:
        """The contents of regular files, in the order of their layers; reads each layer once.

        Raises:
            LimitError: a file has more than 1 GiB; one at a time is held in memory.
        """
        wanted: dict[int, dict[int, Node]] = {}
        for node in nodes:
            if node.size > _MAX_READ:
                raise LimitError(
                    f"a file of {node.size} bytes is more than the {_MAX_READ} allowed"
                )
            wanted.setdefault(node.layer, {})[node.offset] = node
        for number, places in sorted(wanted.items()):
            for entry, scanner in self._entries(number):
                found = places.pop(entry.offset, None) if entry.type == FILE else None
                if found is not None:
                    yield found, b"".join(bytes(piece) for piece in scanner.data())
                if not places:
                    break

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every path below the root with its node, sorted, directories before what they hold."""

        pending = [("", self.root)]
        while pending:
            path, node = pending.pop()
            if path:
                yield path, node
            children = sorted(node.children.items(), reverse=True)
            pending += [(f"{path}/{name}", child) for name, child in children]

    def _find(self, path: str, *, follow: bool) -> tuple[str, Node | None]:
        parts = _parts(path)[::-1]
        trail: list[tuple[str, Node]] = []
        links = 0
        while parts:
            name = parts.pop()
            if name == "..":
                del trail[-1:]
                continue
            here = trail[-1][1] if trail else self.root
            child = here.children.get(name)
            if child is None:
                return "", None
            if child.type == SYMLINK and (parts or follow):
                links += 1
                if links > _MAX_LINKS:
                    return "", None
                if child.link.startswith("/"):
                    trail = []
                parts += _parts(child.link)[::-1]
            else:
                trail.append((name, child))
        return "/" + "/".join(name for name, _ in trail), trail[-1][1] if trail else self.root

    def _entries(self, number: int) -> Iterator[tuple[Entry, TarScanner]]:
        what = f"layer {number + 1}"

        def report(rule: str, at: str, problem: str) -> None:
            if rule in _FATAL:
                raise CorruptError(f"{what}: {at}: {problem}")

        with self._layers[number]() as stream:
            scanner = scan_stream(stream, report)
            for entry in scanner:
                yield entry, scanner

    def _apply(self, number: int) -> None:
        self._pruned.clear()
        for entry, _ in self._entries(number):
            *parents, name = _parts(_text(entry.name)) or [""]
            if not name:
                _set_meta(self.root, entry, number)
                continue
            if ".." in (*parents, name):
                raise CorruptError(f"layer {number + 1}: {_text(entry.name)!r} leaves the root")
            directory = self._directory(parents, number)
            if name == OPAQUE:
                self._prune(directory, number)
            elif name.startswith(WHITEOUT):
                hidden = directory.children.get(name.removeprefix(WHITEOUT))
                if hidden is not None and not self._prune(hidden, number):
                    del directory.children[name.removeprefix(WHITEOUT)]
            else:
                self._put(directory, name, entry, number)

    def _put(self, directory: Node, name: str, entry: Entry, number: int) -> None:
        existing = directory.children.get(name)
        if entry.type == DIRECTORY and existing is not None and existing.type == DIRECTORY:
            _set_meta(existing, entry, number)
            return
        if entry.type == LINK:
            target = self.find(_text(entry.link), follow=False)
            if target is None or target.type == DIRECTORY:
                raise CorruptError(
                    f"layer {number + 1}: {_text(entry.name)!r} is a hard link to"
                    f" {_text(entry.link)!r}, which is no file"
                )
            directory.children[name] = target
            return
        link = _text(entry.link) if entry.type == SYMLINK else ""
        self._count()
        node = Node(
            entry.type, 0, 0, 0, layer=number, size=entry.size, offset=entry.offset, link=link
        )
        _set_meta(node, entry, number)
        directory.children[name] = node

    def _directory(self, parents: Sequence[str], number: int) -> Node:
        """The directory an entry lies in: links below the root are followed, as engines do."""
        node, path = self.root, ""
        for name in parents:
            path = f"{path}/{name}"
            child = node.children.get(name)
            if child is not None and child.type == SYMLINK:
                child = self.find(path)
            if child is None or child.type != DIRECTORY:
                self._count()
                child = Node(DIRECTORY, 0o755, 0, 0, layer=number)
                node.children[name] = child
            node = child
        return node

    def _count(self) -> None:
        self._made += 1
        if self._made > _MAX_NODES:
            raise LimitError(f"the image has more than {_MAX_NODES} files")

    def _prune(self, node: Node, number: int) -> bool:
        """Removes what layers below `number` put into `node`; whether anything is left of it."""
        # Once for each layer: what comes after that belongs to the layer itself.
        if node not in self._pruned:
            self._pruned.add(node)
            nodes = [node]
            for one in nodes:
                nodes += one.children.values()
            for one in reversed(nodes):
                kept = {name: item for name, item in one.children.items() if _stays(item, number)}
                one.children = kept
        return _stays(node, number)


def _set_meta(node: Node, entry: Entry, number: int) -> None:
    node.mode, node.uid, node.gid = entry.mode & 0o7777, entry.uid, entry.gid
    node.device = entry.device
    found = attributes(entry.pax)
    node.attributes = {_text(name): value for name, value in found.items()} if found else _NONE
    node.layer = number


def _stays(node: Node, number: int) -> bool:
    return node.layer == number or bool(node.children)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
