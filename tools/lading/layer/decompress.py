"""Opens archives in any compression as a bounded stream of uncompressed bytes."""

from __future__ import annotations

from lading.errors import CorruptError, LimitError
from lading.scan.codec import CHUNK, Fault, decompress, sniff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["FIRST", "NO_TAR", "uncompressed"]

#: The place of a fault in a file that does not even begin as an archive, and what to do then.
FIRST = "entry 1"
NO_TAR = "give it a tar, plain or in gzip, zstd, xz or bzip2"

#: An archive may always expand to this many bytes, and beyond that by the ratio below: text and
#: zeros legitimately shrink a lot, a bomb shrinks more.
_FREE_SIZE = 4 << 30
_MAX_RATIO = 250
#: Bytes of memory an xz stream may ask for; `xz -9` asks for 65 MiB.
_XZ_MEMORY = 256 << 20
#: Bytes that tell what a stream is compressed with.
_MAGIC = 6


def uncompressed(chunks: Iterator[bytes], size: int, *, what: str) -> Iterator[bytes]:
    """Decompresses `chunks`, whatever they are: gzip, zstd, xz, bzip2 or nothing of the kind.

    Args:
        chunks: the compressed bytes.
        size: how many there are, for the cap on expansion.
        what: names the archive in errors.

    Raises:
        CorruptError: the stream is damaged, cut off, or followed by something else.
        LimitError: it expands more than any honest archive.
    """
    first = next(chunks, b"")
    kind = sniff(first)
    whole = _chain(first, chunks)
    if kind == "none":
        yield from whole
        return
    left = max(_FREE_SIZE, size * _MAX_RATIO)
    stream = _lzma_or_bz2(kind, whole, what) if kind in ("xz", "bzip2") else decompress(kind, whole)
    try:
        for chunk in stream:
            left -= len(chunk)
            if left < 0:
                raise LimitError(
                    f"{what} expands to more than {_MAX_RATIO} times its size",
                    fix="if that is meant, unpack it first",
                )
            yield chunk
    except Fault as fault:
        raise CorruptError(f"{what} is damaged: {fault.what}") from None


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _lzma_or_bz2(kind: str, chunks: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Streams may be concatenated."""
    import bz2
    import lzma

    data = b""
    while True:
        decompressor = (
            lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            if kind == "xz"
            else bz2.BZ2Decompressor()
        )
        try:
            while not decompressor.eof:
                if decompressor.needs_input and not data:
                    data = next(chunks, b"")
                    if not data:
                        raise CorruptError(f"{what} is damaged: its {kind} stream is cut off")
                output = decompressor.decompress(data, CHUNK)
                data = b""
                if output:
                    yield output
        except (lzma.LZMAError, OSError) as error:
            if "limit exceeded" in str(error):
                raise LimitError(
                    f"{what} asks for more than {_XZ_MEMORY >> 20} MiB of memory to be unpacked",
                    fix="pack it with xz -9, or less",
                ) from None
            raise CorruptError(f"{what} is damaged: {error}") from None
        data = decompressor.unused_data
        if kind == "xz":
            data = _behind_padding(data, chunks, what)
        while len(data) < _MAGIC and (more := next(chunks, b"")):
            data += more
        if not data:
            return
        if sniff(data[:_MAGIC].ljust(_MAGIC, b"\0")) != kind:
            raise CorruptError(f"{what} is damaged: something else follows its {kind} stream")


def _behind_padding(data: bytes, chunks: Iterator[bytes], what: str) -> bytes:
    """What is behind zeros that follow an xz stream, which are a multiple of four."""
    padding = 0
    while True:
        rest = data.lstrip(b"\0")
        padding += len(data) - len(rest)
        if rest or not (data := next(chunks, b"")):
            break
    if padding % 4:
        raise CorruptError(f"{what} is damaged: {padding} zeros follow its xz stream")
    return rest
