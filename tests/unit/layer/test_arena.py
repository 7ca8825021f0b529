"""The memory that frames are laid in."""

from __future__ import annotations

import threading
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from lading.layer.arena import Arena

_CAPACITY = 8


@given(
    size=st.integers(2, 6),
    steps=st.lists(st.tuples(st.integers(1, _CAPACITY), st.integers(0, 5)), max_size=60),
)
def test_buffers_in_use_are_never_handed_out(size: int, steps: list[tuple[int, int]]) -> None:
    """Each part is filled with its number, and holds nothing else when it is given back."""
    arena = Arena(_CAPACITY, size * _CAPACITY)
    arena.share()
    # In the order of the ring; what was given back stays until all before it was.
    parts: deque[tuple[int, memoryview, bytes | None]] = deque()

    def give(index: int) -> None:
        place, part, content = parts[index]
        if content is not None:
            assert bytes(part) == content
            arena.give(place)
            parts[index] = place, part, None
        while parts and parts[0][2] is None:
            parts.popleft()

    for number, (length, index) in enumerate(steps):
        # Room for a buffer, and for the end of the ring if that is too short for one.
        while sum(len(part) for _, part, _ in parts) > (size - 2) * _CAPACITY:
            give(0)
        buffer = arena.take()
        assert len(buffer) == _CAPACITY
        buffer[:] = bytes([255]) * _CAPACITY
        part, content = buffer[:length], bytes([number]) * length
        part[:] = content
        parts.append((arena.cut(length), part, content))
        if index < len(parts):
            give(index)
    while parts:
        give(0)


def test_it_waits_until_a_buffer_comes_back() -> None:
    arena = Arena(_CAPACITY, 2 * _CAPACITY)
    arena.share()
    places = []
    for _ in range(2):
        arena.take()
        places.append(arena.cut(_CAPACITY))
    thread = threading.Thread(target=arena.take)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    arena.give(places[0])
    thread.join(10)
    assert not thread.is_alive()


def test_short_parts_leave_room_for_more() -> None:
    arena = Arena(_CAPACITY, 3 * _CAPACITY)
    arena.share()
    for _ in range(9):
        arena.take()
        arena.cut(2)
