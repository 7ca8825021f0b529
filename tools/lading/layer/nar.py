"""Nix's archives (NAR), read: what Nix knows of files is their content and whether they can be run.

https://nix.dev/manual/nix/latest/protocols/nix-archive/
"""

from __future__ import annotations

import os

from lading.errors import CorruptError
from lading.layer.entries import DIRECTORY, FILE, SYMLINK
from lading.layer.reading import read_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAGIC", "NarReader"]

#: What an archive begins with.
MAGIC = b"nix-archive-1"
_WINDOW = 1 << 16
#: Names and targets of links are no longer than Linux has them (PATH_MAX).
_LONGEST = 4096
_DEEPEST = 1024
#: No offset in a file is larger (off_t).
_LARGEST = (1 << 63) - 1


class NarReader:
    """Reads one archive that begins at `offset` of an open file.

    Args:
        fd: an open file.
        offset: bytes.
        what: names the archive in errors.
    """

    __slots__ = ("_buffer", "_fd", "_start", "offset", "what")

    def __init__(self, fd: int, offset: int, *, what: str) -> None:
        self._fd = fd
        self._start = offset
        self._buffer = b""
        #: Where the next byte is read.
        self.offset = offset
        self.what = what

    def nodes(self) -> Iterator[tuple[str, str, bool, bytes, int, int]]:
        """Yields (path, kind, whether it can be run, target, offset, size) of each node.

        The path of the root is empty; `target` is that of a symbolic link; `offset` and `size`
        say where a file's content is.

        Raises:
            CorruptError: it is no archive, is cut off, or is not in the one form that Nix writes.
        """
        self._expect(MAGIC)
        # Names of the directories that are open, and the last name seen in each.
        names: list[str] = []
        last: list[bytes] = []
        path = ""
        while True:
            self._expect(b"(")
            self._expect(b"type")
            kind = self.text()
            if kind == b"directory":
                yield path, DIRECTORY, False, b"", 0, 0
                if len(last) >= _DEEPEST:
                    raise self.damaged(f"more than {_DEEPEST} directories deep")
                names.append(path)
                last.append(b"")
            elif kind == b"regular":
                yield (path, FILE, *self._regular())
            elif kind == b"symlink":
                self._expect(b"target")
                target = self.text()
                if not target or b"\0" in target:
                    raise self.damaged(f"the symbolic link {path!r:.200} has no target")
                self._expect(b")")
                yield path, SYMLINK, False, target, 0, 0
            else:
                raise self.damaged(f"{kind!r:.40} is no type of file")
            if kind != b"directory" and not last:
                return
            if kind != b"directory":
                self._expect(b")")
            while (word := self.text()) == b")":
                names.pop()
                last.pop()
                if not last:
                    return
                self._expect(b")")
            if word != b"entry":
                raise self.damaged(f"{word!r:.40} where an entry belongs")
            self._expect(b"(")
            self._expect(b"name")
            name = self.text()
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name or name <= last[-1]:
                raise self.damaged(f"the name {name!r:.200} is not possible there")
            last[-1] = name
            path = f"{names[-1]}/{os.fsdecode(name)}" if names[-1] else os.fsdecode(name)
            if len(path) > _LONGEST:
                raise self.damaged(f"the path {path!r:.200} is too long")
            self._expect(b"node")

    def number(self) -> int:
        """The next 64-bit number."""
        return int.from_bytes(self._take(8), "little")

    def text(self) -> bytes:
        """The next string, of at most 4096 bytes."""
        length = self.number()
        if length > _LONGEST:
            raise self.damaged(f"a word of {length} bytes")
        text = self._take(length)
        if self._take(-length % 8).strip(b"\0"):
            raise self.damaged("padding that is not zero")
        return text

    def damaged(self, problem: str) -> CorruptError:
        return CorruptError(
            f"{self.what} is no Nix archive: {problem} (near byte {self.offset})",
            fix="make it again with nix-store --dump or --export",
        )

    def _regular(self) -> tuple[bool, bytes, int, int]:
        word = self.text()
        runs = word == b"executable"
        if runs:
            self._expect(b"")
            word = self.text()
        if word == b")":
            return runs, b"", self.offset, 0
        if word != b"contents":
            raise self.damaged(f"{word!r:.40} where contents belong")
        size = self.number()
        offset = self.offset
        self._skip(size)
        if self._take(-size % 8).strip(b"\0"):
            raise self.damaged("padding that is not zero")
        self._expect(b")")
        return runs, b"", offset, size

    def _expect(self, word: bytes) -> None:
        found = self.text()
        if found != word:
            raise self.damaged(f"{found!r:.40} where {word.decode()!r} belongs")

    def _take(self, count: int) -> bytes:
        start = self.offset - self._start
        data = self._buffer[start : start + count]
        if len(data) < count:
            try:
                self._buffer = os.pread(self._fd, max(_WINDOW, count), self.offset)
            except OSError as error:
                raise read_error(self.what, error) from None
            self._start = self.offset
            data = self._buffer[:count]
            if len(data) < count:
                raise self.damaged("it is cut off")
        self.offset += count
        return data

    def _skip(self, count: int) -> None:
        if self.offset + count > _LARGEST:
            raise self.damaged(f"a file of {count} bytes")
        if count:
            self.offset += count - 1
            self._take(1)
