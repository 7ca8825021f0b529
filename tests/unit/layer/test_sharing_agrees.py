"""Layers are planned by one rule in Python and in Starlark: both run here on the same atoms (S2.3).

What they do over the budget differs, and each says how; what has to be true of both is held here.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lading.layer.sharing import Atom, plan

_FILE = Path(__file__).parents[3] / "rules/private/sharing_plan.bzl"
_MIB = 1 << 20


def _starlark() -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(_FILE.read_text(), _FILE.name, "exec"), found)
    return found


_RULE = _starlark()
#: From a MiB on: below that Python, which knows bytes, gives an atom no layer of its own.
_WORLDS = st.lists(
    st.tuples(st.integers(_MIB, 1 << 30), st.sets(st.integers(0, 4), min_size=2)), max_size=16
)

World = list[tuple[int, set[int]]]


def in_starlark(world: World, room: int) -> list[tuple[list[int], list[str]]]:
    atoms = [
        {"name": f"a{number:02}", "size": size, "users": sorted(users)}
        for number, (size, users) in enumerate(world)
    ]
    return [(layer["users"], layer["names"]) for layer in _RULE["plan_layers"](atoms, [room] * 5)]


def in_python(world: World, budget: int) -> list[tuple[list[int], list[str]]]:
    atoms = [
        Atom(f"a{number:02}", size, frozenset(map(str, users)))
        for number, (size, users) in enumerate(world)
    ]
    layers = plan(atoms, budget=budget).layers
    return [([int(image) for image in layer.images], list(layer.atoms)) for layer in layers]


def fits(world: World, budget: int) -> bool:
    sets = {frozenset(users) for _, users in world}
    return all(sum(user in users for users in sets) <= budget for user in range(5))


@given(_WORLDS, st.integers(1, 12))
def test_within_the_budget_both_plan_the_same(world: World, budget: int) -> None:
    if fits(world, budget):
        assert sorted(in_starlark(world, budget)) == sorted(in_python(world, budget))


@given(_WORLDS, st.integers(1, 6))
def test_both_keep_the_budget_and_split_no_atom(world: World, budget: int) -> None:
    for layers in (in_starlark(world, budget), in_python(world, budget)):
        for user in range(5):
            own = [names for users, names in layers if user in users]
            assert len(own) <= budget
            placed = [name for names in own for name in names]
            assert len(placed) == len(set(placed))
            for name in placed:
                assert user in world[int(name[1:])][1]
        assert [len(users) for users, _ in layers] == sorted(
            (len(users) for users, _ in layers), reverse=True
        )


@given(_WORLDS, st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_order_of_atoms_matters_to_neither(
    world: World, budget: int, chance: random.Random
) -> None:
    atoms = [
        {"name": f"a{number:02}", "size": size, "users": sorted(users)}
        for number, (size, users) in enumerate(world)
    ]
    first = _RULE["plan_layers"](atoms, [budget] * 5)
    chance.shuffle(atoms)
    assert _RULE["plan_layers"](atoms, [budget] * 5) == first


@given(st.integers(0, 1 << 50))
def test_sizes_count_as_the_same_powers_of_two(size: int) -> None:
    assert _RULE["magnitude"](size) == 1 << size.bit_length()
