"""zstd:chunked, the format (containers/storage, docs/containers-storage-zstd-chunked.md): where a
layer has its table of contents, and the tar-split, of which a lazy puller makes the archive again.

Both lie in skippable frames behind the data, which readers of the whole layer pass over.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from lading.scan.codec import Fault, decompress
from lading.scan.rules import clean_name
from lading.scan.tar import Entry

__all__ = ["ANNOTATIONS", "CHECKSUM", "LieError", "Parts", "Tapped", "TarSplit"]

_PREFIX = "io.github.containers.zstd-chunked."
#: The digest of the compressed table: with it a layer has one.
CHECKSUM = _PREFIX + "manifest-checksum"
_TABLE, _SPLIT = _PREFIX + "manifest-position", _PREFIX + "tarsplit-position"
#: All that a descriptor says about them.
ANNOTATIONS = (CHECKSUM, _TABLE, _SPLIT)

_POSITION = re.compile(r"([0-9]{1,15}):([0-9]{1,15}):([0-9]{1,15})")
#: The type of the table that there is, the only one.
_CRFS = ":1"
#: Bytes of a part that are read, compressed; of its lines, uncompressed, and of one of them.
_MOST, _MOST_LINES, _MOST_LINE = 64 << 20, 512 << 20, 64 << 20


class LieError(Exception):
    """What a part says that the layer does not."""


class _Part(NamedTuple):
    """Where a part is: offset in the blob, bytes there, and bytes uncompressed."""

    offset: int
    length: int
    size: int

    @staticmethod
    def parse(text: str) -> _Part | None:
        found = _POSITION.fullmatch(text)
        part = _Part(*map(int, found.groups())) if found else None
        return part if part and part.length <= _MOST else None


class Parts:
    """The table and the tar-split of a layer, kept while its blob is read from begin to end."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        table = annotations.get(_TABLE, "")
        self._table = _Part.parse(table.removesuffix(_CRFS)) if table.endswith(_CRFS) else None
        self._split = _Part.parse(annotations.get(_SPLIT, ""))
        self._kept = {part: bytearray() for part in (self._table, self._split) if part}

    def keep(self, data: bytes, offset: int) -> None:
        """Takes what is needed of bytes that lie at `offset` in the blob."""
        for part, kept in self._kept.items():
            start = part.offset + len(kept) - offset
            if 0 <= start < len(data):
                kept += data[start : start + part.length - len(kept)]

    def table(self, limit: int) -> tuple[str, bytes]:
        """The digest of the compressed table, and the table; raises LieError, Fault."""
        packed = self._bytes(self._table, "it")
        found = bytearray()
        assert self._table is not None
        for piece in decompress("zstd", iter((packed,))):
            found += piece
            if len(found) > min(self._table.size, limit):
                raise LieError("it is malformed")
        if len(found) != self._table.size:
            raise LieError("it is malformed")
        return _digest(packed), bytes(found)

    def tar_split(self, stated: str) -> TarSplit:
        """The tar-split, whose digest the table states; raises LieError."""
        packed = self._bytes(self._split, "tar-split")
        if _digest(packed) != stated:
            raise LieError(f"tar-split is {_digest(packed)}, the table says {stated:.80}")
        return TarSplit(packed)

    def _bytes(self, part: _Part | None, what: str) -> bytes:
        kept = self._kept.get(part, bytearray()) if part else bytearray()
        if part is None or len(kept) != part.length:
            raise LieError(f"{what} is not where its annotation says")
        return bytes(kept)


class Tapped:
    """A blob that is read from begin to end, of which `parts` are kept."""

    def __init__(self, stream: BinaryIO, parts: Parts) -> None:
        self._stream, self._parts, self._offset = stream, parts, 0

    def read(self, count: int = -1, /) -> bytes:
        data = self._stream.read(count)
        self._parts.keep(data, self._offset)
        self._offset += len(data)
        return data


class TarSplit:
    """An archive without the data of its files: the bytes between, and how much data there is.

    A line for each, in JSON: `{"type": 2, "payload": "base64"}` for bytes of the archive, and
    `{"type": 1, "name": "path", "size": 5}` for the data of an entry.
    """

    def __init__(self, packed: bytes) -> None:
        self._segments = self._read(packed)
        self._now: bytes | int = 0
        self._names, self._entries = hashlib.sha256(), hashlib.sha256()

    def passing(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks of the archive, each compared on the way; raises LieError."""
        offset = 0
        for chunk in chunks:
            self._compare(chunk, offset)
            offset += len(chunk)
            yield chunk
        while not self._now:
            now = next(self._segments, None)
            if now is None:
                return
            self._now = now
        raise LieError("tar-split has more than the layer")

    def saw(self, entry: Entry) -> None:
        """Takes note of an entry of the archive."""
        _add(self._entries, entry.name)

    def check_names(self) -> None:
        """Raises LieError if the data is that of other entries than the archive has."""
        if self._entries.digest() != self._names.digest():
            raise LieError("tar-split has other names than the layer")

    def _compare(self, chunk: bytes, offset: int) -> None:
        at = 0
        while at < len(chunk):
            if not self._now:
                now = next(self._segments, None)
                if now is None:
                    raise LieError(f"tar-split ends at byte {offset + at} of the layer")
                self._now = now
                continue
            if isinstance(self._now, int):
                count = min(self._now, len(chunk) - at)
                self._now -= count
            else:
                count = min(len(self._now), len(chunk) - at)
                if chunk[at : at + count] != self._now[:count]:
                    where = offset + at
                    raise LieError(f"tar-split says another header or padding at byte {where}")
                self._now = self._now[count:]
            at += count

    def _read(self, packed: bytes) -> Iterator[bytes | int]:
        try:
            for line in _lines(packed):
                value = json.loads(line)
                if value["type"] == 2:
                    yield base64.b64decode(value["payload"], validate=True)
                    continue
                size = value.get("size", 0)
                if value["type"] != 1 or type(size) is not int or size < 0:
                    raise ValueError(line[:100])
                raw = value.get("name_raw")
                name = base64.b64decode(raw) if raw else value.get("name", "").encode()
                _add(self._names, name)
                yield size
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError, Fault):
            raise LieError("tar-split is malformed") from None


def _lines(packed: bytes) -> Iterator[bytes]:
    """The lines of the tar-split; raises ValueError where they are too many or too long."""
    rest, total = b"", 0
    for piece in decompress("zstd", iter((packed,))):
        total += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _MOST_LINE or total > _MOST_LINES:
            raise ValueError(total)
        yield from lines
    if rest:
        yield rest


def _add(names: hashlib._Hash, name: bytes) -> None:
    names.update(clean_name(name) + b"\0")


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
