"""What a worker keeps of a layer it has built: where each frame is, what is in it, hash states.

The compressed bytes stay where they are, in the file that was the action's output. The worker has
it open, so that they outlive the file's name; a checksum tells whether they are still the same.
"""

from __future__ import annotations

import os
from functools import cache

from deflate import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from hashlib import _Hash

    from lading.layer.compress import Bytes, Compression

    Token = tuple[object, ...]

__all__ = ["FrameCache", "Kept", "KeptFrame", "Mark", "StaleError", "worker_cache"]

# Measured: a token with strings of usual length, and a frame with two hash states.
_TOKEN_BYTES = 350
_FRAME_BYTES = 1000
_MAX_LAYERS = 128
#: Memory for what a worker keeps of all its layers: enough for 700,000 files.
_LIMIT = 256 << 20
#: Files that are smaller on average take longer to open than to uncompress.
_SMALL = 16 << 10
#: Deleted outputs that are kept open take space on the disk: this many times the limit of memory.
_DISK = 16


class StaleError(Exception):
    """Bytes that were kept, or that Bazel knows, are not there any more."""


class Mark:
    """A frame's measures, and the sha256 states of archive and blob behind it.

    `raw` and `packed` are sizes in bytes before and after compression, `raw_crc` and `packed_crc`
    the CRC-32 of these bytes.
    """

    __slots__ = ("blob", "packed", "packed_crc", "raw", "raw_crc", "tar")

    def __init__(self) -> None:
        self.raw = 0
        self.raw_crc = 0
        self.packed = 0
        self.packed_crc = 0
        self.tar: _Hash | None = None
        self.blob: _Hash | None = None


class KeptFrame:
    """A frame of a layer.

    `tokens` are those of the entries in it, the first of which may have begun in an earlier frame:
    then `offset`, of its content, is not 0. `stop` is the offset at which the last one goes on in
    the next frame, or 0. `begin` is where the packed bytes begin in the blob.
    """

    __slots__ = ("begin", "end", "mark", "number", "offset", "stop", "tokens")

    def __init__(self, number: int, tokens: list[Token], offset: int, stop: int, end: int) -> None:
        self.number = number
        self.tokens = tokens
        self.offset = offset
        self.stop = stop
        self.end = end
        self.begin = 0
        self.mark = Mark()

    @property
    def is_of_small_files(self) -> bool:
        """Whether its files take longer to read than the frame to uncompress."""
        return len(self.tokens) * _SMALL > self.mark.raw


class Kept:
    """The frames of a layer, in order, and the blob that they are in.

    `large` has the digests of files that frames are cut for. `fd` is -1 when there is no blob:
    then frames at the beginning can be skipped and no others be used again. It is closed with the
    last reference to this object.
    """

    __slots__ = (
        "_starts", "compression", "entries", "expect_directories", "fd", "frames", "large", "size",
    )  # fmt: skip

    def __init__(
        self,
        compression: Compression,
        frames: list[KeptFrame],
        fd: int,
        *,
        large: frozenset[object],
        expect_directories: bool,
    ) -> None:
        self.compression = compression
        self.frames = frames
        self.fd = fd
        self.large = large
        self.expect_directories = expect_directories
        self.entries = sum(len(frame.tokens) for frame in frames)
        self._starts: dict[tuple[Token | None, int], list[KeptFrame]] = {}
        begin = 0
        for frame in frames:
            frame.begin = begin
            begin += frame.mark.packed
            self._starts.setdefault(_start(frame.tokens, frame.offset), []).append(frame)
        self.size = begin

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def memory(self) -> int:
        """Bytes that this takes, about."""
        return self.entries * _TOKEN_BYTES + len(self.frames) * _FRAME_BYTES

    def unlinked(self) -> int:
        """Bytes of a blob that has no name any more."""
        return self.size if self.fd >= 0 and not os.fstat(self.fd).st_nlink else 0

    def starting(self, token: Token | None, offset: int) -> Sequence[KeptFrame]:
        """Frames that begin with an entry, at an offset of its content; None for no entry."""
        return self._starts.get((token, offset), ())

    def packed(self, frame: KeptFrame) -> bytes:
        """The compressed bytes of a frame; raises StaleError when they cannot be had."""
        try:
            data = os.pread(self.fd, frame.mark.packed, frame.begin)
        except OSError:
            raise StaleError from None
        if len(data) != frame.mark.packed or crc32(data) != frame.mark.packed_crc:
            raise StaleError
        return data

    def unpacked(self, frame: KeptFrame, packed: bytes) -> Bytes:
        """A frame as it was before `packed`; raises StaleError if that is no such frame."""
        raw = self.compression.decompress(packed)
        if len(raw) != frame.mark.raw:
            raise StaleError
        return raw


def _start(tokens: list[Token], offset: int) -> tuple[Token | None, int]:
    return (tokens[0] if tokens else None), offset


class FrameCache:
    """What is kept of layers, by a name for the action; the least recently built go first.

    Args:
        limit: bytes of memory for all of them together; 0 keeps nothing.
    """

    def __init__(self, limit: int) -> None:
        import threading

        self.limit = limit
        #: How Bazel writes a sha256 that is given in hex, once it is known.
        self.form: Callable[[str], str] | None = None
        self._lock = threading.Lock()
        self._layers: dict[str, Kept] = {}

    def get(self, name: str, compression: Compression) -> Kept | None:
        """What is kept under `name`, if it was compressed the same way."""
        with self._lock:
            kept = self._layers.get(name)
        return kept if kept is not None and kept.compression == compression else None

    def put(self, name: str, kept: Kept | None) -> None:
        """Keeps the state of a layer in place of an earlier one; None drops that."""
        with self._lock:
            self._layers.pop(name, None)
            if kept is not None:
                self._layers[name] = kept
            while self._layers and self._is_over():
                del self._layers[next(iter(self._layers))]

    def free_disk(self) -> None:
        """Gives up what takes space on the disk."""
        with self._lock:
            for name in [name for name, kept in self._layers.items() if kept.unlinked()]:
                del self._layers[name]

    def _is_over(self) -> bool:
        layers = self._layers.values()
        return (
            len(layers) > _MAX_LAYERS
            or sum(kept.memory for kept in layers) > self.limit
            or sum(kept.unlinked() for kept in layers) > self.limit * _DISK
        )


@cache
def worker_cache() -> FrameCache:
    """The one of this process."""
    return FrameCache(_LIMIT)
