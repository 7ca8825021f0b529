"""Writes a layer with what is kept of it, and keeps it for the next time."""

from __future__ import annotations

import os
from contextlib import suppress

from lading.layer.frames import Cutter
from lading.layer.kept import Kept
from lading.layer.known import know
from lading.layer.lay import lay
from lading.layer.writer import Blob, write_blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lading.layer.compress import Compression
    from lading.layer.entries import Entry
    from lading.layer.kept import FrameCache, Mark

__all__ = ["Keeper"]


class Keeper:
    """One build of a layer in a worker.

    Args:
        cache: where layers are kept.
        name: of the layer, the same for every build of it.
        inputs: path to Bazel's digest.
        compression: how the layer is compressed.
    """

    def __init__(
        self,
        cache: FrameCache,
        name: str,
        inputs: Mapping[str, str],
        compression: Compression,
    ) -> None:
        self._cache = cache
        self._name = name
        self._inputs = inputs
        self._compression = compression
        self._previous = cache.get(name, compression)
        self._next: Kept | None = None
        #: What `collect` has to look for: the last build of the layer found it out.
        self.expect_directories = bool(self._previous and self._previous.expect_directories)

    def forget(self) -> None:
        """What was kept, or what Bazel says of the inputs, is not good any more."""
        self._cache.put(self._name, None)
        self._inputs = {}
        self._previous = None

    def write(
        self,
        fd: int,
        entries: Sequence[Entry],
        *,
        is_file: bool,
        threads: int,
        checkpoint: Callable[[], None],
    ) -> Blob:
        """Writes the blob of `entries`; `is_file` tells whether it can be read again later.

        Raises:
            StaleError: call `forget` and start over.
            LadingError: see `lay` and `write_blob`.
        """
        self._next = None
        known = know(entries, self._inputs, self._cache, self._previous)
        marks: list[Mark] = []
        cutter = Cutter(self._compression.target)
        blob = write_blob(
            fd,
            lambda take: lay(entries, cutter, take, known),
            self._compression,
            cutter.capacity,
            threads=threads,
            checkpoint=checkpoint,
            kept=self._previous,
            marks=None if known is None else marks,
        )
        if known is not None and len(marks) > 1:
            for frame, mark in zip(known.frames, marks, strict=True):
                frame.mark = mark
            # Without a descriptor to spare, nothing is kept.
            with suppress(OSError):
                self._next = Kept(
                    self._compression,
                    known.frames,
                    os.dup(fd) if is_file else -1,
                    large=known.large,
                    expect_directories=self.expect_directories,
                )
        return blob

    def commit(self) -> None:
        """Keeps what was written: the action has succeeded."""
        self._cache.put(self._name, self._next)
