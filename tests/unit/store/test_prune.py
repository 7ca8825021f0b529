"""Which images a cleanup removes (S1.7): a pure function of a snapshot."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.store.entry import Entry
from lading.store.prune import Item, KeepLast, Plan, Policy, plan

_NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _item(name: str, days: float = 0, size: int = 10, uses: int = 0, in_use: str = "") -> Item:
    when = (_NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    full = name if "-" in name else f"{name}-ubuntu-24.04-base"
    values = {"name": full, "last_used": when, "usage_count": uses}
    return Item(Entry.from_values(values), size, in_use)


def _plan(items: list[Item], policy: Policy, free: int = 1000) -> Plan:
    return plan(items, policy, free=free, now=_NOW)


def _removed(items: list[Item], policy: Policy, free: int = 1000) -> list[str]:
    found = _plan(items, policy, free)
    return [removal.item.entry.parsed.project for removal in found.removals]


def test_without_limits_everything_stays() -> None:
    assert _removed([_item("a", 999), _item("b")], Policy()) == []


def test_images_go_when_nobody_used_them_for_too_long() -> None:
    items = [_item("a", 31), _item("b", 29), _item("c", 31, in_use="a lease")]
    assert _removed(items, Policy(max_age=30 * 86400)) == ["a"]


def test_the_least_valuable_goes_first() -> None:
    items = [
        _item("recent", 1),
        _item("old", 9),
        _item("rare", 5, uses=1),
        _item("often", 5, uses=7),
        _item("big", 5, uses=1, size=30),
    ]
    assert _removed(items, Policy(max_total_size=0)) == ["old", "big", "rare", "often", "recent"]
    assert _removed(items, Policy(max_total_size=60)) == ["old"]
    assert _removed(items, Policy(max_total_size=59)) == ["old", "big"]


def test_free_space_counts_what_goes_anyway() -> None:
    items = [_item("a", 40, size=50), _item("b", 2, size=50), _item("c", 1, size=50)]
    policy = Policy(min_free=120, max_age=30 * 86400)
    assert _removed(items, policy, free=70) == ["a"]
    assert _removed(items, policy, free=60) == ["a", "b"]


def test_a_limit_that_is_just_met_is_met() -> None:
    items = [_item("a", 30), _item("b", 2)]
    policy = Policy(max_total_size=20, min_free=1000, max_age=30 * 86400)
    found = _plan(items, policy)
    assert (found.removals, found.unreached) == ((), ())
    busy = [_item("a", in_use="a lease"), _item("b", in_use="a lease")]
    assert _plan(busy, policy).unreached == ()


def test_what_is_in_use_stays_and_the_limit_is_said_to_be_unreached() -> None:
    items = [_item("a", in_use="a container of docker", size=50), _item("b", size=50)]
    found = _plan(items, Policy(max_total_size=40))
    assert [one.item.entry.parsed.project for one in found.removals] == ["b"]
    assert found.unreached == ("50 B of images remain, the limit is 40 B",)
    assert found.protected == {"a-ubuntu-24.04-base": "a container of docker"}


def test_the_last_of_each_project_stay_and_the_others_go() -> None:
    items = [
        _item(f"{project}-ubuntu-24.04-gcc{number}", days=20 - number)
        for project, number in itertools.product(("a", "b"), (11, 12, 13))
    ]
    found = _plan(items, Policy(keep_last=(KeepLast("*", 2),)))
    assert sorted(one.item.entry.name for one in found.removals) == [
        "a-ubuntu-24.04-gcc11",
        "b-ubuntu-24.04-gcc11",
    ]


def test_kept_ones_are_kept_from_age_and_size() -> None:
    policy = Policy(max_age=1, max_total_size=0, keep_last=(KeepLast("a-*", 1),))
    found = _plan([_item("a", 100), _item("b", 100)], policy)
    assert [one.item.entry.parsed.project for one in found.removals] == ["b"]
    assert found.unreached


def test_the_first_pattern_that_fits_counts() -> None:
    rules = (KeepLast("*-gcc*", 1), KeepLast("*", 9))
    items = [
        _item("a-ubuntu-24.04-gcc11", 2),
        _item("a-ubuntu-24.04-gcc12", 1),
        _item("a-ubuntu-24.04-base", 3),
    ]
    found = _plan(items, Policy(keep_last=rules))
    assert [one.item.entry.name for one in found.removals] == ["a-ubuntu-24.04-gcc11"]


def test_a_time_that_cannot_be_read_is_now() -> None:
    broken = Item(Entry.from_values({"name": "a-ubuntu-24.04-base", "last_used": "soon"}), 1)
    assert _removed([broken], Policy(max_age=1)) == []


_ITEMS = st.lists(
    st.builds(
        _item,
        st.sampled_from(
            [f"{project}-ubuntu-24.04-gcc{number}" for project in "ab" for number in range(5, 15)]
        ),
        st.floats(0, 100),
        st.integers(0, 100),
        st.integers(0, 9),
        st.sampled_from(["", "", "a lease"]),
    ),
    max_size=12,
    unique_by=lambda item: item.entry.name,
)
_POLICIES = st.builds(
    Policy,
    st.none() | st.integers(0, 500),
    st.none() | st.floats(0, 9e6),
    st.none() | st.integers(0, 2000),
    st.lists(st.builds(KeepLast, st.sampled_from(["*", "a-*"]), st.integers(0, 3))).map(tuple),
)


@given(_ITEMS, _POLICIES, st.randoms(use_true_random=False))
def test_invariants(items: list[Item], policy: Policy, chance: random.Random) -> None:
    found = _plan(items, policy)
    removed = {one.item.entry.name for one in found.removals}
    assert not {item.entry.name for item in items if item.in_use} & removed
    assert removed | {item.entry.name for item in found.kept} == {one.entry.name for one in items}
    assert found.after == sum(item.size for item in found.kept)
    if policy.max_total_size is not None and not found.unreached:
        assert found.after <= policy.max_total_size
    chance.shuffle(items)
    assert _plan(items, policy) == found


@pytest.mark.parametrize("count", [5000])
def test_many_images_are_planned_for(count: int) -> None:
    items = [_item(f"p{number}", number % 90, number % 50) for number in range(count)]
    started = time.monotonic()
    found = _plan(items, Policy(max_total_size=1000, max_age=60 * 86400))
    assert found.after <= 1000
    assert time.monotonic() - started < 30  # a hang is a defect; speed is tests/bench's business


def test_the_order_is_that_of_times_however_they_are_written() -> None:
    """As PyYAML writes a time, with a space, and as others do, with a zone."""
    times = ["2026-05-01T11:00:00Z", "2026-05-01T13:30:00+02:00", "2026-05-01 12:00:00"]
    items = [
        Item(Entry.from_values({"name": f"p-ubuntu-24.04-{word}", "last_used": time}), 10)
        for word, time in zip("cba", times, strict=True)
    ]
    removed = plan(items, Policy(max_total_size=0), free=0, now=_NOW).removals
    assert [one.item.entry.last_used for one in removed] == times


def test_what_has_a_name_elsewhere_frees_nothing() -> None:
    items = [_item("linked", 9, size=50), _item("own", 1, size=50)]
    items[0] = replace(items[0], elsewhere=True)
    found = _plan(items, Policy(min_free=1050))
    assert [one.item.entry.parsed.project for one in found.removals] == ["own"]
    assert ([one.freed for one in found.removals], found.unreached) == ([50], ())
    found = _plan(items, Policy(min_free=1051))
    assert found.unreached == ("1.0 KiB would be free, 1.0 KiB are wanted",)


def test_what_has_a_name_elsewhere_makes_the_store_smaller() -> None:
    items = [_item("linked", 9, size=50), _item("own", 1, size=50)]
    items[0] = replace(items[0], elsewhere=True)
    found = _plan(items, Policy(max_total_size=50, min_free=1001))
    assert [(one.item.entry.parsed.project, one.freed) for one in found.removals] == [
        ("linked", 0),
        ("own", 50),
    ]
    assert (found.before, found.after) == (100, 0)
