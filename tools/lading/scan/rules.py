"""Rules of a layer's entries: what image-spec 1.1 (layer.md) asks of names, links and whiteouts."""

from __future__ import annotations

from lading.scan.tar import Entry, Report, entry_at

__all__ = ["LayerRules", "clean_name"]

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
#: Largest component of a path, in bytes, that file systems of Linux take.
_MAX_NAME = 255
#: Bytes of paths that are remembered: a million entries take a fifth.
_MAX_NAMES = 512 << 20

# What a path is known to be. `_IMPLIED` has only been seen as the parent of another path.
_IMPLIED, _DIRECTORY, _FILE, _SYMLINK, _OTHER = range(5)
_KINDS = {"0": _FILE, "1": _FILE, "2": _SYMLINK, "5": _DIRECTORY}


def clean_name(name: bytes) -> bytes:
    """`name` without `./`, doubled and trailing slashes; empty for the root itself."""
    if b"//" not in name and b"./" not in name and not name.endswith((b"/.", b"/")):
        return b"" if name == b"." else name.removeprefix(b"/")
    return b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))


class LayerRules:
    """Checks entries one by one, in the order of the archive.

    Memory grows with the number of entries, by about 300 bytes each: a duplicate may be as far
    away as it likes. After 512 MiB of names nothing more is checked.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._kinds: dict[bytes, int] = {}
        # Mode and owner of files and of their hard links; those that are the same, once.
        self._metas: dict[bytes, tuple[int, int, int]] = {}
        self._seen: dict[tuple[int, int, int], tuple[int, int, int]] = {}
        self._populated: set[bytes] = set()  # directories with something that is no whiteout
        self._parent: bytes | None = None  # the last parent known to be a directory
        self._left = _MAX_NAMES

    def check(self, entry: Entry) -> None:
        """Notes every fault of `entry`, given the entries before it."""
        name = entry.name
        if self._left < 0:
            return
        if not self._check_name(name, entry):
            return
        path = clean_name(name)
        if not path:
            if entry.type != "5":
                self._report("tar-name-empty", entry_at(entry.index, name), "not a directory")
            return
        self._left -= len(path)
        kind = _KINDS.get(entry.type, _OTHER)
        parent, _, base = path.rpartition(b"/")
        if parent != self._parent:
            self._check_parents(parent, entry)
        if self._left < 0:
            what = f"more than {_MAX_NAMES} bytes of paths"
            self._report("limit-names", entry_at(entry.index, name), what)
            return
        if base.startswith(_WHITEOUT):
            self._check_whiteout(parent, base, entry)
        else:
            self._populated.add(parent)
        known = self._kinds.get(path)
        if known is not None and known != _IMPLIED:
            self._report(
                "tar-duplicate", entry_at(entry.index, name), "the path occurs a second time"
            )
        elif known == _IMPLIED and kind != _DIRECTORY:
            self._report(
                "tar-through-link", entry_at(entry.index, name), "entries below it come before it"
            )
        if kind == _FILE:
            meta = entry.mode & 0o7777, entry.uid, entry.gid
            self._metas[path] = self._seen.setdefault(meta, meta)
        if entry.type == "1":
            self._check_hard_link(entry, path)
        elif kind == _SYMLINK and not entry.link:
            self._report("tar-field", entry_at(entry.index, name), "a symbolic link to nothing")
        self._kinds[path] = kind

    def _check_name(self, name: bytes, entry: Entry) -> bool:
        """Whether the name can be looked at further."""
        if not name or b"\0" in name:
            self._report(
                "tar-name-empty", entry_at(entry.index, name), "the name is empty or broken"
            )
            return False
        if not name.isascii():
            try:
                name.decode()
            except UnicodeDecodeError:
                self._report("tar-name-encoding", entry_at(entry.index, name), "it is not UTF-8")
        if len(name) > _MAX_NAME:
            self._check_length(name, entry)
        if b".." in name and b".." in name.split(b"/"):
            self._report("tar-name-parent", entry_at(entry.index, name), "it contains ..")
            return False
        if name.startswith(b"/") and name.strip(b"/"):
            self._report("tar-name-absolute", entry_at(entry.index, name), "it starts with /")
        return True

    def _check_length(self, name: bytes, entry: Entry) -> None:
        """A name of more than NAME_MAX bytes: it may be a path whose parts are shorter."""
        longest = max(map(len, name.split(b"/")))
        if longest > _MAX_NAME:
            what = f"{longest} bytes between two slashes"
            self._report("tar-name-long", entry_at(entry.index, name), what)

    def _check_parents(self, parent: bytes, entry: Entry) -> None:
        """Nothing above an entry may be known as anything but a directory."""
        path = parent
        while path:
            kind = self._kinds.get(path)
            if kind is None:
                kind = self._kinds[path] = _IMPLIED
                self._left -= len(path)
            if kind > _DIRECTORY:
                what = f"{path.decode('utf-8', 'backslashreplace')!a} is no directory"
                self._report("tar-through-link", entry_at(entry.index, entry.name), what)
                return
            path = path.rpartition(b"/")[0]
            self._populated.add(path)
        self._parent = parent

    def _check_whiteout(self, parent: bytes, base: bytes, entry: Entry) -> None:
        at = entry_at(entry.index, entry.name)
        if entry.type != "0" or entry.size:
            self._report("tar-whiteout", at, f"type {entry.type}, {entry.size} bytes")
        if base == _OPAQUE:
            if parent in self._populated:
                self._report("tar-whiteout-order", at, "entries of its directory come before it")
            return
        hidden = base.removeprefix(_WHITEOUT)
        if hidden in (b"", b".", b"..") or hidden.startswith(_WHITEOUT):
            self._report("tar-whiteout-name", at, f"it hides {hidden.decode('latin-1')!a}")
            return
        target = parent + b"/" + hidden if parent else hidden
        if target in self._kinds:
            self._report(
                "tar-whiteout-order", at, "what it names comes before it in the same layer"
            )

    def _check_hard_link(self, entry: Entry, path: bytes) -> None:
        at = entry_at(entry.index, entry.name)
        link = entry.link
        own, target = self._metas[path], self._metas.get(clean_name(link))
        if target is not None and own != target:
            what = "mode {:04o}, owner {}:{}, the file's {:04o}, {}:{}".format(*own, *target)
            self._report("tar-hardlink-metadata", at, what)
        shown = ascii(link[:100].decode("utf-8", "backslashreplace"))
        if link.startswith(b"/") or b".." in link.split(b"/"):
            self._report("tar-hardlink-escape", at, f"the target is {shown}")
        elif self._kinds.get(clean_name(link), _IMPLIED) not in (_FILE, _SYMLINK, _OTHER):
            self._report("tar-hardlink", at, f"no file {shown} comes before it")
