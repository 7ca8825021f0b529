"""The progress of many blobs at once, added up for one meter."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.registry.progress import Outcome

__all__ = ["Transfer"]


class Transfer:
    """A registry `Progress` that tells `show` the bytes done and to do, of what has to move.

    A blob counts from its first byte: what is there already is neither done nor to do.
    """

    def __init__(self, show: Callable[[int, int], None]) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._moving: dict[Digest, int] = {}
        self._total = 0
        self._done = 0

    def begin(self, descriptor: Descriptor) -> None:
        """Nothing is known yet about how much of it has to move."""

    def advance(self, descriptor: Descriptor, size: int) -> None:
        with self._lock:
            if descriptor.digest not in self._moving:
                self._moving[descriptor.digest] = 0
                self._total += descriptor.size
            self._moving[descriptor.digest] += size
            self._done += size
            self._show(self._done, self._total)

    def end(self, descriptor: Descriptor, outcome: Outcome) -> None:
        with self._lock:
            if (moved := self._moving.pop(descriptor.digest, None)) is not None:
                self._done += descriptor.size - moved
                self._show(self._done, self._total)
