"""A table of contents of a layer says what the layer says (containerd/stargz-snapshotter,
docs/estargz.md): who pulls lazily never looks at the tar itself, and would run other files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, repeat
from typing import Any, BinaryIO, NamedTuple

from lading.errors import LadingError
from lading.layer.estargz import CHUNK, TOC_ANNOTATION, TOC_NAME
from lading.oci import document
from lading.scan.codec import Fault
from lading.scan.rules import clean_name
from lading.scan.tar import Entry, scan_stream

__all__ = ["TocCheck"]

_TYPES = {
    "reg": "0", "hardlink": "1", "symlink": "2", "char": "3", "block": "4", "dir": "5", "fifo": "6",
}  # fmt: skip
_XATTR = b"SCHILY.xattr."
#: Largest table that is read, in bytes: about 300,000 files.
_MAX_TOC = 64 << 20


class _File(NamedTuple):
    """What both say about an entry. `chunks` are digests of the content by pieces of 4 MiB."""

    type: str
    size: int = 0
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: frozenset[tuple[bytes, bytes]] = frozenset()
    digest: str = ""
    chunks: tuple[str, ...] = ()


class _Chunk(NamedTuple):
    """Where a chunk of a file begins, and the digest of what lies there up to the next one."""

    offset: int
    digest: str


class TocCheck:
    """Collects a layer's entries while it is read, then compares them with its table.

    The table is the last entry: a layer with chunks of another size than 4 MiB is read twice.

    Args:
        annotations: of the layer's descriptor.
        report: takes the identity of a rule, the place and what is there.
    """

    def __init__(
        self, annotations: Mapping[str, str], report: Callable[[str, str, str], None]
    ) -> None:
        self._stated = annotations.get(TOC_ANNOTATION, "")
        self._report = report
        self._files: dict[bytes, _File] = {}
        self._toc: bytes | None = None

    @property
    def wanted(self) -> bool:
        """Whether the layer claims to have a table at all."""
        return bool(self._stated)

    def visit(self, entry: Entry, data: Iterator[bytes | memoryview]) -> None:
        """Takes note of an entry."""
        name = clean_name(entry.name)
        if name == TOC_NAME.encode():
            if entry.size <= _MAX_TOC:
                self._toc = b"".join(bytes(piece) for piece in data)
            return
        is_file = entry.type == "0"
        digest, chunks = _hashed(data, repeat(CHUNK)) if is_file else ("", ())
        self._files[name] = _File(
            entry.type,
            entry.size if is_file else 0,
            entry.mode & 0o7777,
            (entry.uid, entry.gid),
            _link(entry.type, entry.link),
            entry.device if entry.type in "34" else (0, 0),
            frozenset(
                (key.removeprefix(_XATTR), value)
                for key, value in entry.pax.items()
                if key.startswith(_XATTR)
            ),
            digest,
            chunks,
        )

    def finish(self, again: Callable[[], BinaryIO]) -> None:
        """Reports where table and layer differ; of many differences the first few.

        Args:
            again: opens the layer, if it has to be read once more.
        """
        if self._toc is None:
            self._wrong(f"there is no {TOC_NAME} of at most {_MAX_TOC} bytes")
            return
        actual = f"sha256:{hashlib.sha256(self._toc).hexdigest()}"
        if actual != self._stated:
            self._wrong(f"it is {actual}, its annotation says {self._stated:.80}")
        try:
            listed = document.loads_object(self._toc, what=TOC_NAME, limit=_MAX_TOC)["entries"]
            told, others = _read(listed)
        except (LadingError, LookupError, TypeError, ValueError, AttributeError, binascii.Error):
            self._wrong("it is malformed")
            return
        for name in sorted(self._files.keys() | told.keys()):
            ours, theirs = self._files.get(name), told.get(name)
            at = name.decode("utf-8", "backslashreplace")
            if ours is None:
                self._wrong("the table has it, the layer does not", at)
            elif theirs is None:
                # Directories that an entry lies in may be left out, and the root always is.
                if name:
                    self._wrong("the layer has it, the table does not", at)
            elif differs := [
                field
                for field, mine, other in zip(_File._fields, ours, theirs, strict=True)
                if mine != other and not (field in ("digest", "chunks") and not other)
            ]:
                self._wrong(f"the table says another {', '.join(differs)}", at)
        if others:
            try:
                with again() as stream:
                    self._compare_chunks(stream, others)
            except Fault as fault:
                self._report(fault.rule, fault.at, fault.what)

    def _compare_chunks(self, stream: BinaryIO, told: Mapping[bytes, Sequence[_Chunk]]) -> None:
        scanner = scan_stream(stream, lambda rule, at, what: None)
        for entry in scanner:
            chunks = told.get(clean_name(entry.name)) if entry.type == "0" else None
            if chunks is None:
                continue
            lengths = (two.offset - one.offset for one, two in pairwise(chunks))
            _, digests = _hashed(scanner.data(), lengths)
            if digests != tuple(chunk.digest for chunk in chunks):
                at = entry.name.decode("utf-8", "backslashreplace")
                self._wrong("the table says another chunks", at)

    def _wrong(self, what: str, at: str = TOC_NAME) -> None:
        self._report("layer-toc", at, what)


def _hashed(
    data: Iterator[bytes | memoryview], lengths: Iterator[int]
) -> tuple[str, tuple[str, ...]]:
    """Digests of the whole and of its chunks; those after the last length are one."""
    whole, chunk = hashlib.sha256(), hashlib.sha256()
    left, used = next(lengths, sys.maxsize), 0
    chunks: list[str] = []
    for piece in data:
        whole.update(piece)
        while piece:
            part = piece[: left - used]
            chunk.update(part)
            used += len(part)
            piece = piece[len(part) :]
            if used == left:
                chunks.append(chunk.hexdigest())
                chunk, left, used = hashlib.sha256(), next(lengths, sys.maxsize), 0
    if used:
        chunks.append(chunk.hexdigest())
    return whole.hexdigest(), tuple(chunks)


def _link(kind: str, target: bytes) -> bytes:
    if kind == "1":
        return clean_name(target)
    return target if kind == "2" else b""


def _read(
    entries: list[dict[str, Any]],
) -> tuple[dict[bytes, _File], dict[bytes, list[_Chunk]]]:
    """The table's entries by name, and chunks that are not of 4 MiB.

    Raises what comes of a malformed table.
    """
    found: dict[bytes, _File] = {}
    chunks: dict[bytes, list[_Chunk]] = {}
    for value in entries:
        name = clean_name(value["name"].encode("utf-8", "surrogateescape"))
        kind = value["type"]
        if kind in ("reg", "chunk") and value.get("chunkDigest"):
            digest = value["chunkDigest"].removeprefix("sha256:")
            chunks.setdefault(name, []).append(_Chunk(value.get("chunkOffset", 0), digest))
        if kind == "chunk":
            continue
        if name in found:
            raise ValueError(name)
        link = value.get("linkName", "").encode("utf-8", "surrogateescape")
        xattrs = value.get("xattrs") or {}
        found[name] = _File(
            _TYPES[kind],
            value.get("size", 0) if kind == "reg" else 0,
            value.get("mode", 0) & 0o7777,
            (value.get("uid", 0), value.get("gid", 0)),
            _link(_TYPES[kind], link),
            (value.get("devMajor", 0), value.get("devMinor", 0)),
            frozenset((key.encode(), base64.b64decode(text)) for key, text in xattrs.items()),
            value.get("digest", "").removeprefix("sha256:"),
        )
    others = {}
    for name, listed in chunks.items():
        file = found[name]
        offsets = [chunk.offset for chunk in listed]
        count = len(offsets)
        if (count - 1) * CHUNK < file.size <= count * CHUNK and offsets == [
            number * CHUNK for number in range(count)
        ]:
            found[name] = file._replace(chunks=tuple(chunk.digest for chunk in listed))
        elif file.size:
            # One behind the other, from the file's beginning.
            ends = [*offsets, file.size]
            if ends[0] or not all(type(two) is int and one < two for one, two in pairwise(ends)):
                raise ValueError(name)
            others[name] = listed
    return found, others
