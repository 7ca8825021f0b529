"""Endless streams of real content, that files of a wanted size are cut from.

Made-up data says little about compression, so text is cut from sources and documents, binaries from
programs and shared objects. A stream goes through all it has in an order of its own before it
comes back to anything, so that nothing repeats within a compressor's window.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import layer_packages

__all__ = ["Stream", "of_machine", "text_of_wheels"]

_TEXT = (".c", ".h", ".html", ".js", ".json", ".md", ".pl", ".pm", ".py", ".rst", ".ts", ".txt")
_DENSE = (".gz", ".jar", ".png", ".whl", ".woff2", ".xz", ".zip", ".zst")
_PLACES = ("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/share", os.path.dirname(os.__file__))
_MIB = 1 << 20


class Stream:
    """What `pieces` gives, again and again."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._new = pieces
        self._pieces = pieces()
        self._rest = memoryview(b"")

    def take(self, size: int) -> Iterator[bytes | memoryview]:
        """The next `size` bytes, in pieces."""
        while size:
            if not self._rest:
                self._rest = memoryview(self._next())
            piece = self._rest[:size]
            self._rest = self._rest[size:]
            size -= len(piece)
            yield piece

    def _next(self) -> bytes:
        for _ in range(2):
            for data in self._pieces:
                if data:
                    return data
            self._pieces = self._new()
        sys.exit("there is nothing to make the benchmark's input of")


def text_of_wheels(wheels: list[Path]) -> Stream:
    """Sources and documents in wheels, one wheel after the other."""

    def pieces() -> Iterator[bytes]:
        for wheel in wheels:
            yield from layer_packages.members(wheel, matching=lambda name: name.endswith(_TEXT))

    return Stream(pieces)


def of_machine(seed: int) -> dict[str, Stream]:
    """Streams of this machine's files: `text`, `binary` and `dense`, what is packed already."""
    return {kind: Stream(_reading(files, seed)) for kind, files in _find().items()}


def _reading(files: set[str], seed: int) -> Callable[[], Iterator[bytes]]:
    shuffled = sorted(files, key=lambda path: hashlib.sha256(f"{seed} {path}".encode()).digest())

    def pieces() -> Iterator[bytes]:
        for path in shuffled:
            with open(path, "rb") as stream:
                while data := stream.read(4 * _MIB):
                    yield data

    return pieces


def _find() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"text": set(), "binary": set(), "dense": set()}
    for place in _PLACES:
        for directory, _, names in os.walk(place):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.islink(path) or not os.access(path, os.R_OK):
                    continue
                end = os.path.splitext(name)[1]
                if end in _TEXT:
                    found["text"].add(path)
                elif end in _DENSE:
                    found["dense"].add(path)
                elif ".so" in name or place.endswith(("bin", "libexec")):
                    with open(path, "rb") as stream:
                        if stream.read(4) == b"\x7fELF":
                            found["binary"].add(path)
    return found
