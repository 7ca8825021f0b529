"""The digest of a stream while something else is done with it."""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import Protocol

__all__ = ["Hasher", "hasher"]


class Hasher(Protocol):
    """A hash that is fed and finished."""

    def update(self, data: bytes) -> None: ...

    def finish(self) -> str:
        """The hex digest of everything given; may be called again."""
        ...


def hasher(algorithm: str, *, threaded: bool) -> Hasher:
    """A Hasher that works on a thread of its own, when there is enough to hash to be worth it."""
    hash_ = hashlib.new(algorithm)
    return _Threaded(hash_) if threaded else _Inline(hash_)


class _Inline:
    def __init__(self, hash_: hashlib._Hash) -> None:
        self._hash = hash_

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def finish(self) -> str:
        return self._hash.hexdigest()


class _Threaded:
    """hashlib releases the interpreter lock, so this runs beside decompression."""

    def __init__(self, hash_: hashlib._Hash) -> None:
        self._hash = hash_
        # Bounded, so that memory is: pieces have 1 MiB at most.
        self._queue: queue.Queue[bytes | None] = queue.Queue(8)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._hash.update(data)

    def update(self, data: bytes) -> None:
        self._queue.put(data)

    def finish(self) -> str:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        return self._hash.hexdigest()
