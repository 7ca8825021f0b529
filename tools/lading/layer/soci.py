"""Makes the zTOC of a layer: with it, soci-snapshotter starts containers before the layer is there.

A checkpoint is where a gzip member begins. Every member is a span of its own, because snapshotters
could not read past the end of one until 2026 (awslabs/soci-snapshotter, pull request 1871); so
lading cuts the layers that are to have a zTOC into members of about 4 MiB.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from datetime import UTC, datetime, timedelta

from lading.errors import CorruptError, InputError, StorageError
from lading.layer.compress import SOCI_SPAN
from lading.layer.outputs import Output, remove, write_all, write_output
from lading.layer.reading import open_file, read_error
from lading.layer.ztoc import Checkpoint, Toc, serialize
from lading.scan.codec import CHUNK
from lading.scan.source import StreamSource, file_chunks
from lading.scan.tar import TarScanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from lading.scan.tar import Entry

__all__ = ["write_ztoc"]

#: RFC 1952: magic, DEFLATE, no flags; then six bytes of time, level and system.
_MEMBER = b"\x1f\x8b\x08\x00"
_HEADER = 10
_TYPES = {
    "0": b"reg", "1": b"hardlink", "2": b"symlink", "3": b"char", "4": b"block", "5": b"dir",
    "6": b"fifo",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_ztoc(blob: str, layer_metadata: str, output: str, metadata: str) -> None:
    """Writes the zTOC of a layer, and its descriptor as a SOCI index lists it.

    Args:
        blob: path of the layer, gzip as lading compresses it.
        layer_metadata: path of the document that describes the layer.
        output: where the zTOC goes.
        metadata: where the descriptor goes.

    Raises:
        InputError: the layer is no gzip, or made by something else.
        CorruptError: it is damaged.
        StorageError: an output cannot be written.
    """

    def refuse(rule: str, at: str, problem: str) -> NoReturn:
        raise CorruptError(f"{blob}: {at}: {problem} ({rule})")

    try:
        with open(layer_metadata, "rb") as file:
            layer = json.load(file)
    except OSError as error:
        raise read_error(layer_metadata, error) from None
    fd, size = open_file(blob)
    try:
        members = _Members(file_chunks(fd, 0, size, what=blob), blob)
        toc = Toc()
        for entry in TarScanner(StreamSource(iter(members)), refuse):
            _add(toc, entry)
    finally:
        os.close(fd)
    digest, written = hashlib.sha256(), 0
    with Output(output) as out:
        for piece in serialize(
            toc,
            members.checkpoints,
            members.digests,
            compressed=size,
            uncompressed=members.size,
            span=SOCI_SPAN,
        ):
            write_all(out.fd, piece, what=output)
            digest.update(piece)
            written += len(piece)
    document = {
        "mediaType": "application/octet-stream",
        "digest": f"sha256:{digest.hexdigest()}",
        "size": written,
        "annotations": {
            "com.amazon.soci.image-layer-digest": layer["digest"],
            "com.amazon.soci.image-layer-mediaType": layer["mediaType"],
            "com.amazon.soci.span-size": str(SOCI_SPAN),
        },
    }
    try:
        write_output(metadata, json.dumps(document, separators=(",", ":")).encode() + b"\n")
    except StorageError:
        remove(output)
        raise


class _Members:
    """The archive in a gzip file, once; notes on the way where its members are.

    `checkpoints` and `digests` are complete, and `size` is that of the archive, when iteration has
    ended.
    """

    def __init__(self, chunks: Iterator[bytes], what: str) -> None:
        self.checkpoints: list[Checkpoint] = []
        self.digests: list[str] = []
        self.size = 0
        self._chunks = chunks
        self._what = what
        self._hash = hashlib.sha256()
        self._offset = 0

    def __iter__(self) -> Iterator[bytes]:
        data = self._more(b"")
        while data:
            self._begin(data[:_HEADER])
            inflater = zlib.decompressobj(31)
            inflater.decompress(data[:_HEADER])
            data = data[_HEADER:]
            while not inflater.eof:
                data = data or next(self._chunks, b"")
                if not data:
                    raise CorruptError(f"{self._what} is damaged: its gzip stream is cut off")
                try:
                    piece = inflater.decompress(data, CHUNK)
                except zlib.error as error:
                    raise CorruptError(f"{self._what} is damaged: {error}") from None
                left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                self._take(memoryview(data)[: len(data) - len(left)])
                data = left
                if piece:
                    self.size += len(piece)
                    yield piece
            data = self._more(data)
        self._end_span()

    def _more(self, data: bytes) -> bytes:
        """`data`, with what follows it if it is shorter than a header."""
        while len(data) < _HEADER and (chunk := next(self._chunks, b"")):
            data += chunk
        return data

    def _begin(self, header: bytes) -> None:
        if len(header) < _HEADER or header[:4] != _MEMBER:
            raise InputError(
                f"{self._what} has no plain gzip member at byte {self._offset}, so there can be no"
                " zTOC of it",
                fix="give soci only to layers that lading compresses",
            )
        # Headers belong to the span before, which ends where its reader may stop.
        self._take(header)
        if self.checkpoints:
            self._end_span()
        self._hash = hashlib.sha256()
        self.checkpoints.append((self._offset, self.size))

    def _end_span(self) -> None:
        self.digests.append(f"sha256:{self._hash.hexdigest()}")

    def _take(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._offset += len(data)


def _add(toc: Toc, entry: Entry) -> None:
    toc.add(
        name=entry.name,
        kind=_TYPES[entry.type],
        offset=entry.offset,
        size=entry.size,
        link=entry.link,
        mode=entry.mode,
        owner=(entry.uid, entry.gid),
        names=(entry.uname, entry.gname),
        time=_time(entry),
        device=entry.device if entry.type in "34" else (0, 0),
        pax=entry.pax,
    )


def _time(entry: Entry) -> bytes:
    """RFC 3339 in UTC, with as many digits after the second as there are, up to nine."""
    text = entry.pax.get(b"mtime", b"%d" % int(entry.mtime)).decode()
    whole, _, fraction = text.partition(".")
    nanoseconds = int(fraction[:9].ljust(9, "0"))
    seconds = int(whole)
    if whole.startswith("-") and nanoseconds:
        seconds, nanoseconds = seconds - 1, 10**9 - nanoseconds
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise InputError(
            f"{entry.name!r:.200} is dated {text:.40}, and a zTOC has the years 1 to 9999",
            fix="leave it out of the layer, or the layer without soci",
        ) from None
    digits = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{moment.isoformat()[:19]}{digits}Z".encode()
