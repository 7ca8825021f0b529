"""Records are what frozen dataclasses are."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Mapping

import pytest

from lading.record import field, record, replace


@record
class _Point:
    """A place."""

    x: int
    y: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError(self.x)

    @property
    def sum(self) -> int:
        return self.x + self.y


@record
class _Place:
    x: int
    y: int = 0

    def __str__(self) -> str:
        return f"{self.x} {self.y}"


def test_values_are_given_in_order_or_by_name_or_are_the_defaults() -> None:
    assert _Place(1) == _Place(1, 0) == _Place(y=0, x=1)
    assert (_Point(2, 3).sum, _Point(2, y=3).notes) == (5, {})
    assert _Point(1).notes is not _Point(1).notes
    assert repr(_Place(1, 2)) == "_Place(x=1, y=2)"
    assert str(_Place(1, 2)) == "1 2"


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, 3, 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1})],
    ids=["missing", "too-many", "twice", "unknown"],
)
def test_other_values_are_refused(values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="_Point"):
        _Point(*values, **named)  # type: ignore[arg-type]


def test_values_are_checked_by_the_class_itself() -> None:
    with pytest.raises(ValueError, match="-1"):
        _Point(-1)
    with pytest.raises(ValueError, match="-2"):
        replace(_Point(1), x=-2)


def test_records_do_not_change() -> None:
    place = _Place(1)
    with pytest.raises(AttributeError, match="x of a _Place cannot be changed"):
        place.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        place.z = 2  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        del place.x
    assert replace(place, y=5) == _Place(1, 5)
    assert place == _Place(1)


def test_records_are_compared_by_values_and_only_with_their_like() -> None:
    assert len({_Place(1), _Place(1, 0), _Place(0, 1)}) == 2
    assert sorted([_Place(2), _Place(1, 3), _Place(1)]) == [_Place(1), _Place(1, 3), _Place(2)]
    assert _Place(1) <= _Place(1) < _Place(2) >= _Place(2) > _Place(1)
    assert _Place(1) != _Point(1)  # type: ignore[comparison-overlap]
    with pytest.raises(TypeError):
        _ = _Place(1) < _Point(1)  # type: ignore[operator]


def test_records_can_be_copied_and_matched() -> None:
    point = _Point(1, 2, {"a": "b"})
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    match point:
        case _Point(x, y):
            assert (x, y) == (1, 2)


def test_records_import_nothing() -> None:
    program = (
        f"import sys; sys.path += {sys.path!r}; before = set(sys.modules)\n"
        "import lading.record; print(*set(sys.modules) - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"__future__", "lading", "lading.record"}
