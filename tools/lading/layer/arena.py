"""The memory that frames are laid in: a ring, so that short frames leave room for more of them.

Frames measure from half to one and a half times their target. A buffer for each would be as large
as the largest, and soon all of its pages would be in use; in a ring each takes what it measures,
and the same memory holds half as many frames again. The more of them are ready, the longer
compressors have something to do while small files are read, which takes longer than compressing
them.
"""

from __future__ import annotations

from mmap import mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import SimpleQueue

__all__ = ["Arena"]


class Arena:
    """Hands out buffers, one after the other, and waits for earlier ones to come back.

    One thread calls `take` and `cut`; after `share`, any may call `give`.

    Args:
        capacity: bytes of a buffer.
        size: bytes of memory, enough for two buffers or more.
    """

    __slots__ = ("_capacity", "_given", "_head", "_here", "_size", "_used", "_view")

    def __init__(self, capacity: int, size: int) -> None:
        self._capacity = capacity
        self._size = max(size, 2 * capacity)
        # Unlike a bytearray, it is not filled with zeros: what is never used costs nothing.
        self._view = memoryview(mmap(-1, self._size))
        self._given: SimpleQueue[int] | None = None
        # Where parts begin that are in use, the oldest first, and where the newest one ends.
        self._used: dict[int, None] = {}
        self._head = self._here = 0

    def share(self) -> None:
        """Begins to take buffers back. A tiny layer has one, and imports no queues for it."""
        from queue import SimpleQueue

        self._given = SimpleQueue()

    def take(self) -> memoryview:
        """A buffer; `cut` has to be called before the next one is taken."""
        given = self._given
        while given is not None and not given.empty():
            del self._used[given.get()]
        while (here := self._room()) < 0:
            assert given is not None
            del self._used[given.get()]
        self._here = here
        return self._view[here : here + self._capacity]

    def cut(self, length: int) -> int:
        """Ends the buffer that was taken last after `length` bytes, 1 or more.

        Returns:
            What `give` wants when nobody uses them any more.
        """
        self._used[self._here] = None
        self._head = self._here + length
        return self._here

    def give(self, place: int) -> None:
        """Takes back what `cut` returned."""
        assert self._given is not None
        self._given.put(place)

    def _room(self) -> int:
        """Where there is room for a buffer, or -1."""
        if not self._used:
            return 0
        head, tail = self._head, next(iter(self._used))
        if head <= tail:
            return head if head + self._capacity <= tail else -1
        if head + self._capacity <= self._size:
            return head
        return 0 if self._capacity <= tail else -1
