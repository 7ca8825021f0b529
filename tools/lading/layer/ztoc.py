"""The zTOC of a layer, as bytes: what is in it, and where its gzip stream can be entered.

The format is soci-snapshotter's, version 0.9: a FlatBuffer (`ztoc/fbs/ztoc.fbs`) with its
checkpoints as one vector of bytes in it (`ztoc/compression/gzip_zinfo.c`). A FlatBuffer is written
from front to back here, which its own builder cannot: the checkpoints are most of it, and are
never in memory.
"""

from __future__ import annotations

import struct
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Checkpoint", "Toc", "serialize"]

_VERSION = b"0.9"
_TOOL = b"lading"
#: Bytes of output that DEFLATE can refer back to (RFC 1951), and a checkpoint has with it.
_WINDOW = 32 << 10
#: Offset in the blob, offset in the archive, bits of the byte before that belong to it.
_CHECKPOINT = struct.Struct("<qqB")

Checkpoint = tuple[int, int]
"""Where a gzip member's DEFLATE stream begins: offset in the blob, offset in the archive."""


def _padded(size: int) -> int:
    return size + -size % 8


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


class _Table:
    """Where the fields of a FlatBuffers table are, from their kinds in the order of the schema.

    `I` is four bytes, an offset or a number; `q` is eight; `-` is absent, which means the default.
    A table begins at a multiple of 8, and its fields of eight bytes are last.
    """

    def __init__(self, kinds: str) -> None:
        order = sorted(
            (index for index, kind in enumerate(kinds) if kind != "-"),
            key=lambda index: kinds[index] == "q",
        )
        four = kinds.count("I")
        pad = 4 * (1 - four % 2) if "q" in kinds else 0
        self._struct = struct.Struct(
            f"<i{four}I{pad}x{kinds.count('q')}q" if pad else f"<i{four}I{kinds.count('q')}q"
        )
        self._order = order
        self.size = self._struct.size
        self.offsets = [0] * len(kinds)
        for place, index in enumerate(order):
            eights = max(place - four, 0)
            self.offsets[index] = (
                4 + 4 * four + pad + 8 * eights if kinds[index] == "q" else 4 + 4 * place
            )
        words = [4 + 2 * len(kinds), self.size, *self.offsets]
        self.vtable = _aligned(struct.pack(f"<{len(words)}H", *words))

    def pack(self, back: int, fields: Sequence[int]) -> bytes:
        """A table with `fields` in the order of the schema, `back` bytes behind its vtable."""
        return _aligned(self._struct.pack(back, *(fields[index] for index in self._order)))


_ZTOC = _Table("IIqqII")
_TOC = _Table("I")
_COMPRESSION = _Table("-III")
_FILE = _Table("IIqqIqIIIIIqqI")
_XATTR = _Table("II")


class Toc:
    """The entries of an archive as the zTOC lists them, in the order of the archive."""

    __slots__ = ("_data", "_places")

    def __init__(self) -> None:
        # Offsets in here are relative, so it can be put anywhere.
        self._data = bytearray(_FILE.vtable + _XATTR.vtable)
        self._places = array("Q")

    def add(
        self,
        *,
        name: bytes,
        kind: bytes,
        offset: int,
        size: int,
        link: bytes,
        mode: int,
        owner: tuple[int, int],
        names: tuple[bytes, bytes],
        time: bytes,
        device: tuple[int, int],
        pax: Mapping[bytes, bytes],
    ) -> None:
        """Adds one entry.

        Args:
            name: as stored, a directory's with its slash.
            kind: reg, dir, symlink, hardlink, char, block or fifo.
            offset: of its data in the archive, in bytes.
            size: of its data, in bytes.
            link: target of a link.
            mode: permission bits.
            owner: uid and gid.
            names: of user and group.
            time: of modification, RFC 3339.
            device: major and minor number.
            pax: records of its extended header.
        """
        place = len(self._data)
        texts = bytearray()

        def text(value: bytes, field: int) -> int:
            at = place + _FILE.size + len(texts)
            texts.extend(_string(value))
            return at - (place + _FILE.offsets[field])

        fields = [
            text(name, 0), text(kind, 1), offset, size, text(link, 4), mode,
            owner[0] & 0xFFFFFFFF, owner[1] & 0xFFFFFFFF, text(names[0], 8), text(names[1], 9),
            text(time, 10), device[0], device[1],
        ]  # fmt: skip
        vector = _FILE.size + len(texts) - _FILE.offsets[13]
        self._places.append(place)
        self._data += _FILE.pack(place, [*fields, vector])
        self._data += texts
        self._add_records(sorted(pax.items()))

    def _add_records(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        start = len(self._data)
        head = _padded(4 + 4 * len(records))
        places: list[int] = []
        tables = bytearray()
        for key, value in records:
            place = start + head + len(tables)
            places.append(place - (start + 4 + 4 * len(places)))
            key_text = _string(key)
            size = _padded(_XATTR.size)
            fields = [size - _XATTR.offsets[0], size + len(key_text) - _XATTR.offsets[1]]
            tables += _XATTR.pack(place - len(_FILE.vtable), fields) + key_text + _string(value)
        self._data += _aligned(struct.pack(f"<{1 + len(places)}I", len(records), *places))
        self._data += tables

    def serialized(self) -> tuple[bytes, bytearray]:
        """The vector of entries, and what has to follow it."""
        count = len(self._places)
        size = _padded(4 + 4 * count)
        vector = bytearray(size)
        struct.pack_into("<I", vector, 0, count)
        for index, place in enumerate(self._places):
            at = 4 + 4 * index
            struct.pack_into("<I", vector, at, size + place - at)
        return bytes(vector), self._data


def serialize(
    toc: Toc,
    checkpoints: Sequence[Checkpoint],
    digests: Sequence[str],
    *,
    compressed: int,
    uncompressed: int,
    span: int,
) -> Iterator[bytes]:
    """The zTOC in pieces.

    Args:
        toc: the archive's entries.
        checkpoints: in order, one at least.
        digests: of what is compressed from each checkpoint to the next.
        compressed: size of the blob in bytes.
        uncompressed: size of the archive in bytes.
        span: bytes of the archive between checkpoints, about.
    """
    entries, data = toc.serialized()
    vtables = _ZTOC.vtable + _TOC.vtable + _COMPRESSION.vtable
    version, tool = _string(_VERSION), _string(_TOOL)
    listed = _strings([digest.encode() for digest in digests])
    # Where everything is: the root, tables, texts, digests, entries, checkpoints.
    root = 8 + len(vtables)
    toc_table = root + _padded(_ZTOC.size)
    compression = toc_table + _padded(_TOC.size)
    version_at = compression + _padded(_COMPRESSION.size)
    tool_at = version_at + len(version)
    digests_at = tool_at + len(tool)
    entries_at = digests_at + len(listed)
    blob_at = entries_at + len(entries) + len(data)
    yield struct.pack("<II", root, 0) + vtables
    yield _ZTOC.pack(
        root - 8,
        [
            version_at - root - _ZTOC.offsets[0],
            tool_at - root - _ZTOC.offsets[1],
            compressed,
            uncompressed,
            toc_table - root - _ZTOC.offsets[4],
            compression - root - _ZTOC.offsets[5],
        ],
    )
    toc_vtable = 8 + len(_ZTOC.vtable)
    yield _TOC.pack(toc_table - toc_vtable, [entries_at - toc_table - _TOC.offsets[0]])
    yield _COMPRESSION.pack(
        compression - toc_vtable - len(_TOC.vtable),
        [
            0,
            len(checkpoints) - 1,
            digests_at - compression - _COMPRESSION.offsets[2],
            blob_at - compression - _COMPRESSION.offsets[3],
        ],
    )
    yield version + tool + listed + entries
    yield bytes(data)
    yield from _blob(checkpoints, span)


def _blob(checkpoints: Sequence[Checkpoint], span: int) -> Iterator[bytes]:
    """The vector of bytes that holds the checkpoints."""
    size = 12 + len(checkpoints) * (_CHECKPOINT.size + _WINDOW)
    yield struct.pack("<IIq", size, len(checkpoints), span)
    # A member refers to nothing before it, so its window is never looked at.
    window = bytes(_WINDOW)
    for offset, position in checkpoints:
        yield _CHECKPOINT.pack(offset, position, 0) + window
    yield bytes(-(4 + size) % 8)


def _strings(values: Sequence[bytes]) -> bytes:
    """A vector of strings, and these."""
    size = _padded(4 + 4 * len(values))
    offsets: list[int] = []
    texts = bytearray()
    for value in values:
        offsets.append(size + len(texts) - (4 + 4 * len(offsets)))
        texts += _string(value)
    return _aligned(struct.pack(f"<{1 + len(values)}I", len(values), *offsets)) + texts


def _string(value: bytes) -> bytes:
    return _aligned(struct.pack("<I", len(value)) + value + b"\0")
