"""Streams that hand out their last bytes only when everything before them was right."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from lading.errors import CorruptError
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = ["VerifyingReader"]


class VerifyingReader(io.RawIOBase):
    """Reads a stream that has to be what `descriptor` says.

    `read` raises CorruptError in place of the last bytes when the digest is wrong, and when the
    stream ends early or goes on too long. Whoever got all bytes got the right ones.
    """

    def __init__(self, stream: BinaryIO, descriptor: Descriptor) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._hash = hashlib.new(descriptor.digest.algorithm)
        #: Bytes handed out so far.
        self.position = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._descriptor.size - self.position
        if left == 0 and self._descriptor.size:
            return b""
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._stream.read(wanted)
        self._hash.update(data)
        self.position += len(data)
        if wanted and not data:
            raise self._wrong(f"{left} of {self._descriptor.size} bytes are missing")
        if self.position == self._descriptor.size:
            found = Digest(self._descriptor.digest.algorithm, self._hash.hexdigest())
            if found != self._descriptor.digest:
                raise self._wrong(f"its digest is {found}")
            if self._stream.read(1):
                raise self._wrong(f"it is longer than {self._descriptor.size} bytes")
        return data

    def skip(self, size: int) -> None:
        """Reads and checks `size` bytes without handing them out."""
        end = self.position + size
        while self.position < end:
            self.read(min(1024 * 1024, end - self.position))

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _wrong(self, why: str) -> CorruptError:
        return CorruptError(f"the content of {self._descriptor.digest} is corrupt: {why}")
