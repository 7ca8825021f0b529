"""Decompression of layers as a bounded stream that tells every way a stream can be wrong.

The standard readers forgive what a verifier must not: a stream cut off between frames, bytes after
the last one. Output comes in pieces of at most about 1 MiB, whatever the input expands to.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["CHUNK", "Fault", "decompress", "sniff", "uncompressed"]

#: Bytes read and handed on at a time.
CHUNK = 1 << 20
#: Bytes that tell how a stream is compressed.
_ENOUGH = 8
#: Largest zstd window accepted, in bytes: what decoders have to support is 8 MiB, `--long` 128.
_MAX_WINDOW = 128 << 20

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)


class Fault(Exception):  # noqa: N818 -- a finding on its way, not an error of the program
    """A rule that does not hold, found where nothing can follow.

    Args:
        rule: identity of a rule in `lading.oci.verify_table.RULES`.
        what: what is there, one line.
        at: the place, when it is known where the fault is raised.
    """

    def __init__(self, rule: str, what: str, *, at: str = "") -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule
        self.what = what
        self.at = at


def sniff(prefix: bytes) -> str:
    """`gzip`, `zstd`, `xz` or `bzip2` by the first bytes of a stream; anything else is `none`."""
    if prefix[1:4] == b"\x2a\x4d\x18" and prefix[0] & 0xF0 == 0x50:
        return "zstd"  # a skippable frame first
    return next((name for magic, name in _MAGIC if prefix.startswith(magic)), "none")


def decompress(compression: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The uncompressed stream of `chunks`, which is gzip, zstd or none.

    Reading raises Fault (`compression-corrupt`, `compression-trailing-data`) where the stream is
    damaged, cut off, followed by something else, or compressed in another way.
    """
    if compression == "none":
        yield from chunks
    elif compression == "gzip":
        yield from _gunzip(_Source(chunks))
    elif compression == "zstd":
        yield from _unzstd(_Source(chunks))
    else:
        raise Fault("compression-corrupt", f"{compression} is no compression of layers")


def uncompressed(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream that is compressed as its first bytes say; raises as `decompress`."""
    chunks = iter(lambda: stream.read(CHUNK), b"")
    first = b""
    # A stream from a network gives what has arrived.
    while len(first) < _ENOUGH and (more := next(chunks, b"")):
        first += more
    return decompress(sniff(first), chain((first,), chunks))


class _Source:
    """Chunks as a buffer to take bytes from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = memoryview(b"")

    def peek(self, count: int) -> memoryview:
        """Up to `count` bytes without taking them; fewer only at the end."""
        while len(self._buffer) < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            if chunk:
                self._buffer = memoryview(bytes(self._buffer) + chunk if self._buffer else chunk)
        return self._buffer[:count]

    def some(self, most: int) -> memoryview:
        """At least one and at most `most` bytes without taking them; empty only at the end."""
        if not self._buffer:
            self.peek(1)
        return self._buffer[:most]

    def drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]


def _gunzip(source: _Source) -> Iterator[bytes]:
    members = 0
    feed = 1 << 16
    while source.peek(1):
        if bytes(source.peek(2)) != b"\x1f\x8b":
            rule = "compression-trailing-data" if members else "compression-corrupt"
            raise Fault(rule, f"no gzip header after {members} members")
        inflater = zlib.decompressobj(wbits=31)
        taken = 0
        while not inflater.eof:
            data = source.some(feed)
            if not data:
                raise Fault("compression-corrupt", f"gzip member {members + 1} is cut off")
            size = len(data)
            try:
                output = inflater.decompress(data, CHUNK)
                # At its end zlib calls what follows the member unconsumed, for ever.
                while inflater.unconsumed_tail and not inflater.eof:
                    yield output
                    output = inflater.decompress(inflater.unconsumed_tail, CHUNK)
            except zlib.error as error:
                raise Fault("compression-corrupt", f"gzip member {members + 1}: {error}") from None
            used = size - len(inflater.unused_data)
            source.drop(used)
            taken += used
            if output:
                yield output
            feed = min(1 << 16, feed * 2)
        members += 1
        # What follows a member is copied to `unused_data`, so a blob of a million tiny members
        # would cost a quadratic number of bytes if they were fed by the 64 KiB.
        feed = min(1 << 16, max(256, 2 * taken))
    if not members:
        raise Fault("compression-corrupt", "the gzip stream is empty")


def _unzstd(source: _Source) -> Iterator[bytes]:
    """Walks frames and blocks itself and decompresses block by block.

    One block yields at most 128 KiB, so output stays bounded; and frame ends are exact, which the
    decompressor alone does not tell from a stream that was cut.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    frames = 0
    while magic := bytes(source.peek(4)):
        where = f"zstd frame {frames + 1}"
        if len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50:
            _skip_frame(source, where)
            frames += 1
            continue
        if magic != b"\x28\xb5\x2f\xfd":
            rule = "compression-trailing-data" if frames else "compression-corrupt"
            raise Fault(rule, f"no zstd header after {frames} frames")
        frame = decompressor.decompressobj()
        header, checksum = _frame_header(source, where)
        try:
            frame.decompress(header)
            last = False
            while not last:
                prefix = bytes(source.peek(3))
                if len(prefix) < 3:
                    raise Fault("compression-corrupt", f"{where} is cut off")
                field = int.from_bytes(prefix, "little")
                last, kind, size = bool(field & 1), field >> 1 & 3, field >> 3
                length = 3 + (1 if kind == 1 else size) + (4 if last and checksum else 0)
                if kind == 3 or size > 1 << 17:
                    raise Fault("compression-corrupt", f"{where} has an impossible block")
                block = bytes(source.peek(length))
                if len(block) < length:
                    raise Fault("compression-corrupt", f"{where} is cut off")
                source.drop(length)
                output = frame.decompress(block)
                if output:
                    yield output
            if not frame.eof:
                raise Fault("compression-corrupt", f"{where} does not end where it says")
        except zstandard.ZstdError as error:
            raise Fault("compression-corrupt", f"{where}: {error}") from None
        frames += 1
    if not frames:
        raise Fault("compression-corrupt", "the zstd stream is empty")


def _skip_frame(source: _Source, where: str) -> None:
    header = bytes(source.peek(8))
    if len(header) < 8:
        raise Fault("compression-corrupt", f"{where} is cut off")
    source.drop(8)
    left = int.from_bytes(header[4:], "little")
    while left:
        taken = len(source.some(left))
        if not taken:
            raise Fault("compression-corrupt", f"{where} is cut off")
        source.drop(taken)
        left -= taken


def _frame_header(source: _Source, where: str) -> tuple[bytes, bool]:
    """Takes a frame header (RFC 8878, 3.1.1.1); whether a checksum ends the frame."""
    start = bytes(source.peek(5))
    if len(start) < 5:
        raise Fault("compression-corrupt", f"{where} is cut off")
    flags = start[4]
    single_segment = bool(flags & 0x20)
    content_size = (0, 2, 4, 8)[flags >> 6] or (1 if single_segment else 0)
    length = 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[flags & 3] + content_size
    header = bytes(source.peek(length))
    if len(header) < length:
        raise Fault("compression-corrupt", f"{where} is cut off")
    source.drop(length)
    return header, bool(flags & 0x04)
