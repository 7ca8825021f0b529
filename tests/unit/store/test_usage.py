"""Bytes that files have in common are counted once, and are free when the last one goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lading.store.usage import Usage


def test_what_two_files_share_goes_with_the_second() -> None:
    usage = Usage([("a", 100, [(0, 80)]), ("b", 90, [(0, 80)]), ("c", 7, [])])
    assert usage.total == 20 + 10 + 80 + 7
    assert usage.remove("a") == 20
    assert usage.remove("c") == 7
    assert usage.remove("b") == 90
    assert usage.total == 0


_EXTENTS = st.sets(st.integers(0, 20)).map(
    lambda blocks: [(block * 10, block * 10 + 10) for block in sorted(blocks)]
)


@given(st.lists(st.tuples(st.integers(0, 50), _EXTENTS), max_size=8), st.randoms())
def test_it_is_the_union_of_what_remains(
    given_files: list[tuple[int, list[tuple[int, int]]]], dice: object
) -> None:
    files = {
        str(number): (own + 10 * len(extents), _joined(extents))
        for number, (own, extents) in enumerate(given_files)
    }
    usage = Usage((name, size, extents) for name, (size, extents) in files.items())
    order = list(files)
    dice.shuffle(order)  # type: ignore[attr-defined]
    for name in order:
        before = usage.total
        assert before == _total(files)
        del files[name]
        assert usage.remove(name) == before - _total(files)
    assert usage.total == 0


def _joined(extents: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours as one extent, so that extents of files overlap in part."""
    found: list[tuple[int, int]] = []
    for start, end in extents:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _total(files: dict[str, tuple[int, list[tuple[int, int]]]]) -> int:
    units: set[int] = set()
    own = 0
    for size, extents in files.values():
        covered = {unit for start, end in extents for unit in range(start, end)}
        own += size - len(covered)
        units |= covered
    return own + len(units)
