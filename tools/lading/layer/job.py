"""A frame on its way into a blob."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Lock

    from lading.layer.compress import Bytes, Compress
    from lading.layer.kept import Kept, KeptFrame, Mark

__all__ = ["Job"]


class Job:
    """A frame: raw until it is hashed and compressed, then packed until it is written.

    Args:
        raw: the bytes, in memory of an `Arena`; None for those of a kept frame that is to be
            uncompressed.
        place: what the arena wants back; -1 for nothing.
        frame: the kept frame that they are to be, if they are one.
        mark: gets the frame's measures.

    `readable` and `writable` are held until the raw and the packed bytes are there.
    """

    __slots__ = (
        "frame", "mark", "packed", "place", "raw", "readable", "stored", "users", "writable",
    )  # fmt: skip

    readable: Lock
    writable: Lock

    def __init__(
        self, raw: memoryview | None, place: int, frame: KeptFrame | None, mark: Mark | None
    ) -> None:
        self.raw = raw
        self.place = place
        self.frame = frame
        self.mark = mark
        self.packed: Bytes = b""
        self.users = 2
        self.stored = False

    def pack(self, compress: Compress, kept: Kept | None) -> None:
        """Compresses the bytes, or fetches what they were compressed to.

        Raises:
            StaleError: that cannot be had.
        """
        if self.frame is None:
            assert self.raw is not None
            self.packed = compress(self.raw)
        else:
            assert kept is not None
            packed = self.packed = kept.packed(self.frame)
            if self.raw is None:
                self.raw = memoryview(kept.unpacked(self.frame, packed))
        self.stored = self.packed is self.raw
