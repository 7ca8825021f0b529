"""Request bodies: bytes, a part of a file, a part of a stream that can be opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lading.record import record

__all__ = ["Body", "FileBody", "StreamBody"]


@record
class FileBody:
    """`size` bytes of a regular file from `offset`; on plain connections the kernel reads it."""

    path: Path
    offset: int
    size: int
    advance: Callable[[int], None]


@record
class StreamBody:
    """`size` bytes that `stream` yields from where it stands.

    Raises what `stream.read` raises; a stream that verifies what it reads does so before its
    last bytes are handed out.
    """

    stream: BinaryIO
    size: int
    advance: Callable[[int], None]


Body = bytes | FileBody | StreamBody
